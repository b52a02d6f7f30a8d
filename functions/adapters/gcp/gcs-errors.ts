import { AppError } from '../../../shared/errors/app-error.ts';
import { unavailable } from './google-errors.ts';

/**
 * The HTTP status of a failed call of the storage client, or undefined when none was answered. The client's errors carry it as
 * `code`, and are not all of class Error (@google-cloud/storage 8.4.0, resumable-upload.js).
 */
export function httpStatusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const status = Number(error.code);
  return Number.isInteger(status) && status >= 100 && status < 600 ? status : undefined;
}

/** Runs a call; a failure with one of these statuses gives undefined. Throws AppError UNAVAILABLE for any other. */
export async function orUndefined<T>(
  statuses: readonly number[],
  call: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    const status = httpStatusOf(error);
    if (status !== undefined && statuses.includes(status)) return undefined;
    throw storageFailure(error);
  }
}

/** The AppError UNAVAILABLE of a failed call; an AppError as it is. */
export function storageFailure(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const status = httpStatusOf(error);
  const cause = error instanceof Error ? error : new Error(`HTTP ${status ?? 'without answer'}`);
  if (status !== 401 && status !== 403 && status !== 404) {
    return unavailable('Cloud Storage', cause);
  }
  return new AppError('UNAVAILABLE', `Cloud Storage refuses this service: HTTP ${status}.`, {
    hint: 'Check that the bucket exists and that the service account may read and write its objects.',
    cause,
  });
}
