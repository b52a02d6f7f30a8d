import { isAppError } from '../../shared/errors/app-error.ts';
import { EXIT } from '../../shared/errors/catalog.ts';
import { variable } from './env.ts';
import type { Io } from './io.ts';
import { type Output, printable, StdoutClosed } from './output.ts';
import { VERSION } from './version.ts';

/** Tells the user about a failure and gives the exit status; with `json` an expected failure also goes to stdout as JSON. */
export async function reportFailure(
  error: unknown,
  at: { readonly io: Io; readonly out: Output; readonly json: boolean },
): Promise<number> {
  const { io, out, json } = at;
  if (error instanceof StdoutClosed) return 0;
  if (io.signal.aborted && isInterruption(error, io.signal)) {
    out.note('Interrupted.');
    return EXIT.interrupted;
  }
  if (!isAppError(error)) return reportBug(error, io, out);
  out.note(`${out.style('red', 'error:')} ${safeLines(error.message)}`);
  if (error.hint !== undefined) out.note(safeLines(error.hint));
  const requestId = error.context?.['requestId'];
  if (error.code === 'INTERNAL') out.note(`Request ${String(requestId ?? 'unknown')}.`);
  if (json) {
    const { toErrorBody } = await import('../../shared/api/error.ts');
    await out.json(toErrorBody(error, typeof requestId === 'string' ? requestId : '')).catch(noop);
  }
  return error.exit;
}

// What an aborted wait rejects with: the reason itself, or the AbortError that Node wraps around it.
function isInterruption(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true;
  return error instanceof Error && error.name === 'AbortError';
}

function reportBug(error: unknown, io: Io, out: Output): number {
  const shown = error instanceof Error ? error : new Error(String(error));
  out.note(`${out.style('red', 'bug in caliban:')} ${safeLines(shown.message)}`);
  if (variable(io.env, 'CALIBAN_DEBUG') === undefined) {
    out.note(`Version ${VERSION}. For the whole trace run it again with CALIBAN_DEBUG=1.`);
  } else {
    out.note(shown.stack ?? '');
  }
  return EXIT.bug;
}

function safeLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

function noop(): void {}
