import { LIMITS } from '../../shared/api/limits.ts';
import { isTerminal } from '../../shared/jobs/job-state.ts';
import type { JobDoc } from '../ports/documents.ts';
import type { LogChunk } from '../ports/platform.ts';
import type { CoreDeps } from './deps.ts';
import { getJob } from './records.ts';

type LogDeps = Pick<CoreDeps, 'store' | 'platforms' | 'clock'>;

/** Between two looks at a log that had nothing new (ms). */
const POLL_MS = 500;

/** Where to begin, and which lines are wanted. */
export interface LogRequest {
  /** The platform's cursor; '' is the beginning. */
  readonly since: string;
  /** Only lines that hold this text; undefined: everything. */
  readonly grep: string | undefined;
}

/**
 * What a job printed from a place on, a bounded piece of it. `ended`: the job is over and its log ends here. A job
 * that did not start yet has printed nothing. With `grep` whole lines only, the last one of a running program later.
 * Throws JOB_NOT_FOUND, and what the platform throws.
 */
export async function readLog(deps: LogDeps, id: string, request: LogRequest): Promise<LogChunk> {
  const { value: job } = await getJob(deps, id);
  return pieceOf(deps, job, request);
}

/**
 * What a job prints, piece by piece, until it is over and its log ends, or `LIMITS.followMs` passed; then the last piece
 * tells which by `ended`. Empty pieces but the last are not given. Rejects with the signal's reason when aborted.
 */
export async function* followLog(
  deps: LogDeps,
  id: string,
  request: LogRequest & { readonly signal: AbortSignal },
): AsyncGenerator<LogChunk, void> {
  const until = deps.clock.now() + LIMITS.followMs;
  let { since } = request;
  for (;;) {
    // The state is read before the log: what a program printed before it ended is then in it.
    const { value: job } = await getJob(deps, id);
    const piece = await pieceOf(deps, job, { ...request, since });
    const last = piece.ended || deps.clock.now() >= until;
    yield piece;
    if (last) return;
    request.signal.throwIfAborted();
    if (piece.text === '') await deps.clock.sleep(POLL_MS, request.signal);
    since = piece.next;
  }
}

async function pieceOf(deps: LogDeps, job: JobDoc, request: LogRequest): Promise<LogChunk> {
  const over = isTerminal(job.state);
  const platform = deps.platforms.get(job.platform);
  const { ref } = job;
  if (ref === null || platform === undefined) {
    return { text: '', next: request.since, ended: over };
  }
  const read: Reader = (since, maxBytes) => platform.readLog(ref, since, maxBytes);
  const piece =
    request.grep === undefined
      ? await read(request.since, LIMITS.logChunkBytes)
      : await matchingLines(read, request.since, request.grep);
  // The platform may know of the end before we do.
  return { ...piece, ended: piece.ended && over };
}

type Reader = (since: string, maxBytes: number) => Promise<LogChunk>;

async function matchingLines(read: Reader, since: string, grep: string): Promise<LogChunk> {
  const found: string[] = [];
  let size = 0;
  let next = since;
  for (let scanned = 0; scanned < LIMITS.logScanBytes; scanned += LIMITS.logChunkBytes) {
    const piece = await wholeLines(read, next);
    for (const line of piece.text.split(AFTER_NEWLINE)) {
      if (!line.includes(grep)) continue;
      found.push(line);
      size += line.length;
    }
    const stuck = piece.next === next;
    next = piece.next;
    if (piece.ended) return { text: found.join(''), next, ended: true };
    if (stuck || size >= LIMITS.logChunkBytes) break;
  }
  return { text: found.join(''), next, ended: false };
}

const AFTER_NEWLINE = /(?<=\n)/;

// A piece that ends in the middle of a line is read again without that end, so that its cursor stands at the line's start.
async function wholeLines(read: Reader, since: string): Promise<LogChunk> {
  const piece = await read(since, LIMITS.logChunkBytes);
  if (piece.ended || piece.text === '' || piece.text.endsWith('\n')) return piece;
  const lines = piece.text.slice(0, piece.text.lastIndexOf('\n') + 1);
  if (lines !== '') return read(since, Buffer.byteLength(lines));
  // A line longer than a piece is taken as it comes; a short one is still being printed.
  const isLong = Buffer.byteLength(piece.text) > LIMITS.logChunkBytes / 2;
  return isLong ? piece : { text: '', next: since, ended: false };
}
