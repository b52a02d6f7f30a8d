/** Time, from outside, so that the whole service runs in virtual time too. UTC milliseconds. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Randomness, from outside, so that a run can be repeated. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A fresh id: 20 lower-case hex characters. */
  id(): string;
}

/**
 * What a line of the log tells besides its text; not what every line has anyway. Never a token, and nothing that a
 * user's program is given. Texts may have any length, and must not be cut: half a token is not known for one any more.
 */
export type LogFields = Readonly<Record<string, unknown>> & {
  readonly [own in 'level' | 'message' | 'pid' | 'time']?: never;
};

/** Structured log: object first. */
export interface Log {
  /** Only for who looks for a fault: not kept unless asked for. */
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** Runs `body`; every line written by it, and by what it starts and awaits, carries these fields too. */
  within<T>(fields: LogFields, body: () => T): T;
}
