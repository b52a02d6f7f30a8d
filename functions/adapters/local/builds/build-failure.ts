import { isAppError } from '../../../../shared/errors/app-error.ts';

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
  const message = error instanceof Error ? error.message : String(error);
  const hint = isAppError(error) ? (error.hint ?? null) : null;
  return { message: `The build was not finished: ${message}`, hint, retryable: !isAppError(error) };
}
