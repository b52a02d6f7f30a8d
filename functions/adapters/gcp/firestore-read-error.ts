import { AppError } from '../../../shared/errors/app-error.ts';
import { GRPC, grpcCodeOf, unavailable } from './google-errors.ts';
import { DeadlineError } from './with-deadline.ts';

// Another try gives the same answer: a query without its index, or a request that is none.
const LASTING: ReadonlySet<number> = new Set([GRPC.failedPrecondition, GRPC.invalidArgument]);

/** AppError UNAVAILABLE for a read that Firestore did not answer; a refusal that lasts, and what is no error of Firestore's, as it was thrown. */
export function asReadError(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const code = grpcCodeOf(error);
  if (code === undefined && !(error instanceof DeadlineError)) return error;
  return code !== undefined && LASTING.has(code) ? error : unavailable('Firestore', error);
}
