import { type AppError, isAppError } from './app-error.ts';

/** In the context of an error that says that a database is damaged. */
export const DAMAGED = { damaged: true } as const;

/** Whether an error says that the database is damaged: no later try will do better. */
export function isDamagedDatabase(error: unknown): error is AppError {
  return isAppError(error, 'DATA_DIR_UNUSABLE') && error.context?.['damaged'] === DAMAGED.damaged;
}
