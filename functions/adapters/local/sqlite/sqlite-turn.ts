import { AppError, isAppError } from '../../../../shared/errors/app-error.ts';
import type { Clock } from '../../../ports/runtime.ts';
import type { Patience } from '../../../ports/store.ts';
import { isBusy } from './sqlite-errors.ts';

/** How long SQLite itself waits for a lock, in ms: it blocks the event loop meanwhile. */
export const BUSY_TIMEOUT_MS = 25;
const PATIENCE_MS = 10_000;
const LONGEST_PAUSE_MS = 60;

/**
 * Runs an attempt until no other process has the lock, at most about 10 s. The first one runs at once. An attempt
 * that fails must leave nothing behind. Throws AppError STORE_BUSY.
 */
export async function takeTurn<T>(clock: Clock, attempt: () => T): Promise<T> {
  // What was waited is counted, not read from the clock, which may stand still.
  for (let waited = 0; ; ) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (waited >= PATIENCE_MS) throw storeBusy(`for ${PATIENCE_MS / 1000} s`, error);
    }
    const pause = Math.ceil(Math.random() * LONGEST_PAUSE_MS);
    await clock.sleep(pause);
    waited += BUSY_TIMEOUT_MS + pause;
  }
}

/**
 * The turns of those who write. Who has to wait stands in one line: only its head asks SQLite, so that however many wait, the
 * event loop is blocked for one of them. When the head gives up, all behind it do.
 */
export class TurnLine {
  readonly #clock: Clock;
  /** Resolves when the head has had its turn; with its error when it gave up. */
  #head: Promise<unknown> | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs an attempt as {@link takeTurn} does; `now-or-never` waits for nobody. Throws AppError STORE_BUSY. */
  async take<T>(attempt: () => T, patience: Patience): Promise<T> {
    if (patience === 'now-or-never' && this.#head !== null) throw storeBusy('right now');
    while (this.#head !== null) {
      const gaveUp = await this.#head;
      if (gaveUp !== undefined) throw gaveUp;
    }
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (patience === 'now-or-never') throw storeBusy('right now', error);
    }
    const turn = takeTurn(this.#clock, attempt);
    this.#head = this.#endOf(turn);
    return await turn;
  }

  async #endOf(turn: Promise<unknown>): Promise<unknown> {
    try {
      await turn;
      return undefined;
    } catch (error) {
      // Anything else is the head's own affair.
      return isAppError(error, 'STORE_BUSY') ? error : undefined;
    } finally {
      this.#head = null;
    }
  }
}

function storeBusy(howLong: string, cause?: unknown): AppError {
  return new AppError(
    'STORE_BUSY',
    `other processes keep the database locked ${howLong}; nothing was written`,
    { hint: 'Try again; if it stays, look for a stopped caliban process.', cause },
  );
}
