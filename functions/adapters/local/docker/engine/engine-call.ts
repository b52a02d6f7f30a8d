import { isAppError } from '../../../../../shared/errors/app-error.ts';

/** The engine's definitive answer that it did not do what it was asked, in its own words. */
export class EngineRefusal extends Error {
  override readonly name = 'EngineRefusal';
  readonly status: number;

  constructor(status: number, message: string, cause: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/** No answer: the engine is not there, or did not answer in time. What was asked may have been done, or be done later. */
export class EngineSilent extends Error {
  override readonly name = 'EngineSilent';
}

/**
 * Asks the engine, with a deadline (ms) and a signal that both end the wait. Throws EngineRefusal, EngineSilent, and AppErrors of the
 * call as they are.
 *
 * The wait ends by our own hand: dockerode's promise stays open for ever when the engine breaks off in the middle of an answer.
 */
export async function askEngine<T>(
  deadline: { readonly ms: number; readonly signal?: AbortSignal | undefined },
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = AbortSignal.timeout(deadline.ms);
  const signal =
    deadline.signal === undefined ? timeout : AbortSignal.any([timeout, deadline.signal]);
  try {
    signal.throwIfAborted();
    return await Promise.race([call(signal), abortionOf(signal)]);
  } catch (error) {
    throw translated(error, timeout.aborted ? deadline.ms : null);
  }
}

function abortionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function translated(error: unknown, timedOutMs: number | null): Error {
  if (error instanceof EngineRefusal || isAppError(error)) return error;
  if (timedOutMs !== null) {
    return new EngineSilent(`no answer within ${timedOutMs / 1000} s`, { cause: error });
  }
  const status = statusOf(error);
  // 502 and 503 are a proxy's, or an engine's that goes down.
  if (status !== null && status !== 502 && status !== 503) {
    return new EngineRefusal(status, wordsOf(error), error);
  }
  return new EngineSilent(error instanceof Error ? error.message : String(error), { cause: error });
}

function statusOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('statusCode' in error)) return null;
  return typeof error.statusCode === 'number' ? error.statusCode : null;
}

/** What the engine said, without the frame that dockerode puts around it. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const body: unknown = 'json' in error ? error.json : null;
  const isAnswer = typeof body === 'object' && body !== null && 'message' in body;
  if (isAnswer && typeof body.message === 'string') return body.message.trim();
  return error.message.replace(/^\(HTTP code \d+\) [^-]*- /, '').trim();
}
