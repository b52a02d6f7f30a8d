import { AppError } from '../../../shared/errors/app-error.ts';

/** Status codes of gRPC (https://grpc.io/docs/guides/status-codes/, read 2026-11). */
export const GRPC = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** The gRPC status of a failed call, or undefined for anything else. */
export function grpcCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}

/** What an API said, without the number that gRPC puts before it. */
export function wordsOf(error: unknown): string {
  if (error instanceof Error && 'details' in error && typeof error.details === 'string') {
    if (error.details !== '') return error.details;
  }
  return error instanceof Error ? error.message : String(error);
}

/** The AppError UNAVAILABLE for an API that did not answer as it should. `api`: its name for people, as in `Firestore`. */
export function unavailable(api: string, cause: unknown): AppError {
  return new AppError('UNAVAILABLE', `${api} does not answer: ${wordsOf(cause)}`, {
    hint: 'Try again in a moment.',
    cause,
  });
}
