import type * as z from 'zod';
import { errorBody } from '../../shared/api/error.ts';

/** A JSON answer of a route. */
export function json<S extends z.ZodType>(schema: S, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

/** A JSON body that a route takes; it must be there. */
export function jsonRequest<S extends z.ZodType>(schema: S) {
  return { required: true, content: { 'application/json': { schema } } } as const;
}

const FAILURES = {
  400: 'The request is not understood: every problem is named.',
  401: 'No token, or one this service does not know.',
  403: 'The caller may not do this, or the Host header is not one of this service.',
  404: 'There is no such thing.',
  409: 'The state of things does not allow it now.',
  413: 'The body is larger than a limit.',
  415: 'The body is not declared as JSON.',
  422: 'Understood and refused: a limit, an unsupported wish, or another request under the same key.',
  500: 'A defect of the service; its log has the request id.',
  503: 'Not now; Retry-After says when to try again.',
  504: 'Not done within the time limit.',
  507: 'The disk of the service is full; the same may be sent again once there is room.',
} as const;

type FailureStatus = keyof typeof FAILURES;
type FailureAnswer = ReturnType<typeof json<typeof errorBody>>;

/** Error answers of a route, all in the one error form, with those that every route can give. */
export function failures<S extends FailureStatus = never>(
  ...statuses: readonly S[]
): Record<S | 401 | 403 | 500 | 503 | 504 | 507, FailureAnswer> {
  const all: readonly FailureStatus[] = [...statuses, 401, 403, 500, 503, 504, 507];
  // Object.fromEntries forgets which keys there are.
  return Object.fromEntries(
    all.map((status) => [status, json(errorBody, FAILURES[status])]),
  ) as Record<S | 401 | 403 | 500 | 503 | 504 | 507, FailureAnswer>;
}

/** Error answers of a route that needs no token. */
export function publicFailures(): Record<403 | 500 | 503, FailureAnswer> {
  return {
    403: json(errorBody, FAILURES[403]),
    500: json(errorBody, FAILURES[500]),
    503: json(errorBody, FAILURES[503]),
  };
}

/** Marks a route that needs a bearer token. */
export const BEARER: Record<string, string[]>[] = [{ bearer: [] }];
