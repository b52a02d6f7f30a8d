import * as z from 'zod';
import { AppError } from '../errors/app-error.ts';
import { ERROR_CATALOG, type ErrorCode } from '../errors/catalog.ts';

/** The one form of every error answer. */
export const errorBody = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      hint: z.string().nullable(),
      docs: z.string(),
      requestId: z.string(),
      context: z.record(z.string(), z.unknown()).nullable(),
    }),
  })
  .meta({ id: 'Error' });

/** An error answer. */
export type ErrorBody = z.infer<typeof errorBody>;

/** The answer for an expected failure. */
export function toErrorBody(error: AppError, requestId: string): ErrorBody {
  return {
    error: {
      code: error.code,
      message: error.message,
      hint: error.hint ?? null,
      docs: `docs/errors.md#${error.code.toLowerCase()}`,
      requestId,
      context: error.context ?? null,
    },
  };
}

/** The AppError that an error answer stands for; a code unknown to this version becomes UNAVAILABLE or INTERNAL by status. */
export function fromErrorBody(body: ErrorBody, status: number): AppError {
  const { code, message, hint, context } = body.error;
  const known = isErrorCode(code) ? code : status >= 500 ? 'UNAVAILABLE' : 'REQUEST_INVALID';
  return new AppError(known, message, {
    ...(hint === null ? {} : { hint }),
    context: { ...context, requestId: body.error.requestId },
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CATALOG, code);
}
