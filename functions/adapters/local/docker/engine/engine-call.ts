import { AppError, isAppError } from '../../../../../shared/errors/app-error.ts';
import { systemCode } from '../../durable-file.ts';

/** The engine's definitive answer that it did not do what it was asked, in its own words. */
export class EngineRefusal extends Error {
  override readonly name = 'EngineRefusal';
  readonly status: number;

  constructor(status: number, message: string, cause: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

/** No answer. What was asked may have been done, or be done later. Its message is a sentence without its full stop. */
export class EngineSilent extends Error {
  override readonly name = 'EngineSilent';
  /** The deadline passed; or it, or a proxy before it, says that it cannot now; or there is no connection to it, or it broke. */
  readonly why: 'late' | 'busy' | 'away';
  /** What is known of it in few words: `within 20 s` when it is late. */
  readonly reason: string;

  constructor(why: EngineSilent['why'], reason: string, cause?: unknown) {
    super(`The Docker engine does not answer${why === 'late' ? '' : ':'} ${reason}`, { cause });
    this.why = why;
    this.reason = reason;
  }
}

/** How long to wait for an answer. */
export interface Deadline {
  readonly ms: number;
  /** Ends the wait too. May live as long as the service: nothing of a question stays with it. */
  readonly signal?: AbortSignal | undefined;
}

/** For questions that the engine answers from what it knows. */
export const ANSWER_MS = 20_000;

/**
 * Asks the engine. Throws EngineRefusal, EngineSilent, and AppErrors of the call as they are. The call gets a signal for what it leaves
 * open when the wait is over.
 *
 * The wait ends by our own hand: dockerode's promise stays open for ever when the engine breaks off in the middle of an answer, and it
 * takes no signal for some questions.
 */
export async function askEngine<T>(
  { ms, signal: closing }: Deadline,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Not AbortSignal.any and .timeout: those keep what listens to them until the deadline, an hour for some.
  const over = new AbortController();
  const { promise: overdue, reject } = Promise.withResolvers<never>();
  const giveUp = (reason: unknown): void => {
    reject(reason);
    over.abort(reason);
  };
  const close = (): void => giveUp(closing?.reason);
  const timer = setTimeout(() => giveUp(new EngineSilent('late', `within ${ms / 1000} s`)), ms);
  timer.unref();
  closing?.addEventListener('abort', close, { once: true });
  try {
    closing?.throwIfAborted();
    return await Promise.race([call(over.signal), overdue]);
  } catch (error) {
    throw translated(error);
  } finally {
    clearTimeout(timer);
    closing?.removeEventListener('abort', close);
  }
}

/**
 * Asks the engine for a user: as askEngine, but one that does not answer is an AppError UNAVAILABLE with what to do. (Not when we close:
 * then nothing is known of the engine.)
 */
export async function askForUser<T>(
  deadline: Deadline,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await askEngine(deadline, call);
  } catch (error) {
    const isAway = error instanceof EngineSilent && deadline.signal?.aborted !== true;
    throw isAway ? engineUnavailable(error) : error;
  }
}

/** What to say to users of an engine that does not answer. */
export function engineUnavailable(silence: EngineSilent): AppError {
  const isForbidden = systemCode(silence.cause) === 'EACCES';
  return new AppError('UNAVAILABLE', `${silence.message}.`, {
    hint: isForbidden
      ? 'Let the user of the service use Docker, as by the group docker.'
      : 'Start Docker.',
    cause: silence,
  });
}

/** What the call gives; null when the engine answers with one of these statuses. */
export async function unless<T>(
  statuses: readonly number[],
  call: () => Promise<T>,
): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof EngineRefusal && statuses.includes(error.status)) return null;
    throw error;
  }
}

function translated(error: unknown): Error {
  if (error instanceof EngineRefusal || error instanceof EngineSilent) return error;
  if (isAppError(error)) return error;
  const status = statusOf(error);
  const words = wordsOf(error);
  if (status === null) return new EngineSilent('away', words, error);
  // A proxy's, or an engine's that goes down.
  if (status === 502 || status === 503) return new EngineSilent('busy', words, error);
  return new EngineRefusal(status, words, error);
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
