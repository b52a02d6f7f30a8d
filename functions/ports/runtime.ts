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

/** Structured log: object first. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}
