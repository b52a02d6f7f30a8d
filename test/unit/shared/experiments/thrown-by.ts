import { AppError } from '../../../../shared/errors/app-error.ts';

/** The AppError that the action throws; fails the test when it throws none. */
export function thrownBy(action: () => unknown): AppError {
  try {
    action();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
