import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Clock } from '../../../ports/runtime.ts';
import { isBusy } from './sqlite-errors.ts';

/** How long SQLite itself waits for a lock, in ms: a read blocks the event loop meanwhile. */
export const BUSY_TIMEOUT_MS = 25;
const PATIENCE_MS = 10_000;
const LONGEST_PAUSE_MS = 60;

/**
 * Runs an attempt until no other process has the lock, at most about 10 s. The first one runs at once. An attempt
 * that fails must leave nothing behind. Throws AppError STORE_BUSY.
 */
export async function takeTurn<T>(clock: Clock, attempt: () => T | Promise<T>): Promise<T> {
  // What was waited is counted, not read from the clock, which may stand still.
  for (let waited = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (waited >= PATIENCE_MS) throw storeBusy(`for ${PATIENCE_MS / 1000} s`, error);
    }
    const pause = Math.ceil(Math.random() * LONGEST_PAUSE_MS);
    await clock.sleep(pause);
    waited += BUSY_TIMEOUT_MS + pause;
  }
}

/** The refusal of what would have to stand behind so much. */
export function tooMany(waiting: string): AppError {
  return new AppError('STORE_BUSY', `${waiting} wait for the database already; nothing was done`, {
    hint: 'Try again in a moment.',
  });
}

/** The refusal of what could not get its turn. */
export function storeBusy(howLong: string, cause?: unknown): AppError {
  return new AppError(
    'STORE_BUSY',
    `other processes keep the database locked ${howLong}; nothing was written`,
    { hint: 'Try again; if it stays, look for a stopped caliban process.', cause },
  );
}
