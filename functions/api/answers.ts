import type * as z from 'zod';
import { errorBody } from '../../shared/api/error.ts';

/** Headers of every answer; their descriptions are components of the document. */
export const ANSWER_HEADERS = { 'X-Request-Id': headerNamed('X-Request-Id') } as const;

/** What {@link ANSWER_HEADERS} and failures refer to. */
export const HEADER_COMPONENTS = {
  'X-Request-Id': describedHeader('Names this request in the log; the one you sent, if sound.'),
  'Retry-After': describedHeader('Seconds to wait before the request is sent again.'),
  'WWW-Authenticate': describedHeader('How to sign in: with a bearer token.'),
} as const;

/** A JSON answer of a route. */
export function json<S extends z.ZodType>(schema: S, description: string) {
  return { description, headers: ANSWER_HEADERS, content: { 'application/json': { schema } } };
}

/** A JSON body that a route takes; it must be there. */
export function jsonRequest<S extends z.ZodType>(schema: S) {
  return { required: true, content: { 'application/json': { schema } } } as const;
}

const FAILURES = {
  400: 'Not a request as described here: every problem is named.',
  401: 'No token, or one this service does not know.',
  403: 'The caller may not do this, or the Host header is not one of this service.',
  404: 'There is no such thing.',
  409: 'The state of things does not allow it now.',
  413: 'The body, or the headers with the address, are larger than a limit.',
  415: 'The body is not declared as JSON.',
  422: 'A request as described, refused for what it says: a config, a cursor, a limit, an unsupported wish, or another request under the same key.',
  500: 'A defect of the service; its log has the request id.',
  503: 'Not now; Retry-After says when to try again.',
  504: 'Not done within the time limit.',
  507: 'The disk of the service is full; the same may be sent again once there is room.',
} as const;

type FailureStatus = keyof typeof FAILURES;
type FailureAnswer = ReturnType<typeof json<typeof errorBody>>;

// What cannot be read as HTTP is refused (400, 413) before it reaches a route, whichever was meant.
const ANYWHERE = [400, 403, 413, 500, 503] as const;
type Anywhere = (typeof ANYWHERE)[number];

const FAILURE_HEADERS: { readonly [S in FailureStatus]?: object } = {
  401: { 'WWW-Authenticate': headerNamed('WWW-Authenticate') },
  503: { 'Retry-After': headerNamed('Retry-After') },
};

/** Error answers of a route, all in the one error form, with those that every route can give. */
export function failures<S extends FailureStatus = never>(...statuses: readonly S[]) {
  return answersOf<S | 401 | 504 | 507 | Anywhere>(...statuses, 401, 504, 507, ...ANYWHERE);
}

/** Error answers of a route that needs no token. */
export function publicFailures() {
  return answersOf<Anywhere>(...ANYWHERE);
}

function answersOf<S extends FailureStatus>(...statuses: readonly S[]): Record<S, FailureAnswer> {
  // Object.fromEntries forgets which keys there are.
  return Object.fromEntries(statuses.map((status) => [status, failure(status)])) as Record<
    S,
    FailureAnswer
  >;
}

function failure(status: FailureStatus): FailureAnswer {
  const answer = json(errorBody, FAILURES[status]);
  return { ...answer, headers: { ...answer.headers, ...FAILURE_HEADERS[status] } };
}

function headerNamed(name: string) {
  return { $ref: `#/components/headers/${name}` };
}

function describedHeader(description: string) {
  return { description, required: true, schema: { type: 'string' } } as const;
}

/** Marks a route that needs a bearer token. */
export const BEARER: Record<string, string[]>[] = [{ bearer: [] }];
