import { isAppError } from '../../../shared/errors/app-error.ts';
import { ERROR_CATALOG } from '../../../shared/errors/catalog.ts';

/** A failed build in words. */
export interface BuildFailure {
  readonly message: string;
  readonly hint: string | null;
  readonly retryable: boolean;
}

/** The inputs of a build are not those of its key any more. */
export function changedSincePlanned(what: string): BuildFailure {
  return {
    message: `${what} changed before the build began.`,
    hint: 'Submit again.',
    retryable: false,
  };
}

/** What a thrown value says of a build. */
export function thrownFailure(error: unknown, isCancelled: boolean): BuildFailure {
  if (isCancelled) return { message: 'The build was cancelled.', hint: null, retryable: true };
  const reason = error instanceof Error ? error.message : String(error);
  const message = `The build was not finished: ${reason}`;
  return isAppError(error)
    ? { message, hint: error.hint ?? null, retryable: ERROR_CATALOG[error.code].retryable }
    : { message, hint: null, retryable: true };
}
