import type * as z from 'zod';
import { errorBody, fromErrorBody } from '../../shared/api/error.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import { ERROR_CATALOG } from '../../shared/errors/catalog.ts';
import type { Clock } from './io.ts';
import { VERSION } from './version.ts';

/** Whom requests go to. */
export interface Remote {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
  /** The network's, or that of a service inside this process. */
  readonly fetch: (request: Request) => Promise<Response>;
  readonly clock: Clock;
  /** Of the whole program: Ctrl-C. */
  readonly signal: AbortSignal;
}

/** One request whose answer is JSON. */
export interface Call<T> {
  readonly method: 'GET' | 'POST';
  /** Below the service's address; parts already encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly answer: z.ZodType<T>;
  /** Makes a POST safe to repeat. */
  readonly idempotencyKey?: string;
  /** A POST that may be repeated as it is: it only asks, or it states a wish. */
  readonly repeatable?: boolean;
  /** How long the answer may take; default LIMITS.requestMs. */
  readonly deadlineMs?: number;
}

/** Tries of one request, the first included. */
export const MAX_TRIES = 5;
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 8_000;
const MAX_RETRY_AFTER_MS = 60_000;

/**
 * Sends a request and parses the answer. Repeats what is safe to repeat, with growing jittered delays or as
 * Retry-After says. Throws the service's AppError, UNAVAILABLE when it cannot be reached or understood,
 * DEADLINE_EXCEEDED when it does not answer in time.
 */
export async function requestJson<T>(remote: Remote, call: Call<T>): Promise<T> {
  const safe =
    call.method === 'GET' || call.repeatable === true || call.idempotencyKey !== undefined;
  const init: RequestInit = {
    method: call.method,
    headers: {
      ...headersOf(remote),
      ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(call.idempotencyKey === undefined ? {} : { 'Idempotency-Key': call.idempotencyKey }),
    },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  };
  const url = urlOf(remote, call.path, call.query);
  const deadline = call.deadlineMs === undefined ? {} : { deadlineMs: call.deadlineMs };
  const text = await repeat(remote, safe ? MAX_TRIES : 1, () =>
    send(remote, { url, init, ...deadline }, (response) => response.text()),
  );
  return parseAnswer(remote, call, text);
}

/**
 * Sends a GET whose answer is a stream; resolves once its head is there. The deadline covers only the head.
 * Repeated like {@link requestJson}; what breaks while the body is read is the caller's.
 */
export async function requestStream(
  remote: Remote,
  path: string,
  query: Call<unknown>['query'],
): Promise<Response> {
  const url = urlOf(remote, path, query);
  return repeat(remote, MAX_TRIES, () =>
    send(
      remote,
      { url, init: { method: 'GET', headers: headersOf(remote) } },
      async (response) => response,
    ),
  );
}

/** Runs work until it succeeds, fails for good or was tried often enough. */
export async function repeat<T>(
  { clock, signal }: Pick<Remote, 'clock' | 'signal'>,
  tries: number,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= tries || !isAppError(error) || !ERROR_CATALOG[error.code].retryable)
        throw error;
      await clock.sleep(delayMs(error, attempt, clock), signal);
    }
  }
}

/** Jittered exponential delay before a repetition, or what the service asked for. */
export function delayMs(error: unknown, attempt: number, clock: Clock): number {
  const asked = isAppError(error) ? error.context?.['retryAfterMs'] : undefined;
  if (typeof asked === 'number') return Math.min(asked, MAX_RETRY_AFTER_MS);
  const full = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return full * (0.5 + clock.random() / 2);
}

// One request; an answer outside 2xx becomes the AppError it stands for. The deadline covers `read`.
async function send<T>(
  remote: Remote,
  request: { url: string; init: RequestInit; deadlineMs?: number },
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const { url, init, deadlineMs = LIMITS.requestMs } = request;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deadlineMs);
  const signal = AbortSignal.any([remote.signal, deadline.signal]);
  try {
    const response = await remote.fetch(new Request(url, { ...init, signal }));
    if (response.ok) return await read(response);
    throw await failureOf(response, remote);
  } catch (error) {
    if (remote.signal.aborted) throw remote.signal.reason;
    if (isAppError(error)) throw error;
    if (deadline.signal.aborted) throw tooSlow(remote, deadlineMs, error);
    throw unreachable(remote.url, error);
  } finally {
    clearTimeout(timer);
  }
}

/** The AppError for an answer outside 2xx. */
export async function failureOf(
  response: Response,
  { url }: Pick<Remote, 'url'>,
): Promise<AppError> {
  const text = await response.text().catch(() => '');
  const parsed = errorBody.safeParse(parseJson(text));
  const retryAfterMs = parseRetryAfter(response.headers.get('Retry-After'));
  const retry = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (parsed.success) {
    const error = fromErrorBody(parsed.data, response.status);
    // The service cannot know how its caller gives a token.
    const hint = error.code === 'UNAUTHENTICATED' ? TOKEN_HINT : error.hint;
    return new AppError(error.code, error.message, {
      ...(hint === undefined ? {} : { hint }),
      context: { ...error.context, ...retry },
    });
  }
  const code = codeOfStatus(response.status);
  return new AppError(code, `${url} answered HTTP ${response.status} without saying why.`, {
    hint: code === 'UNAUTHENTICATED' ? TOKEN_HINT : `Is ${url} a caliban service?`,
    context: retry,
  });
}

const TOKEN_HINT =
  'Give the token: --token TOKEN or CALIBAN_TOKEN; on this machine it is in DATA_DIR/token (see: caliban serve --status).';

/** The failure of a service that could not be reached. */
export function unreachable(url: string, cause: unknown): AppError {
  return new AppError('UNAVAILABLE', `${url} cannot be reached (${networkReason(cause)}).`, {
    hint: 'Does it run? On its machine: caliban serve --status\nWho chose this address: caliban endpoint show',
    cause,
  });
}

/** Headers of every request: who asks, and the token. */
export function headersOf({ token }: Pick<Remote, 'token'>): Record<string, string> {
  return {
    'User-Agent': `caliban/${VERSION}`,
    ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
  };
}

function codeOfStatus(
  status: number,
): 'UNAUTHENTICATED' | 'FORBIDDEN' | 'UNAVAILABLE' | 'ROUTE_NOT_FOUND' | 'REQUEST_INVALID' {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 404) return 'ROUTE_NOT_FOUND';
  return status >= 500 || status === 429 || status === 408 ? 'UNAVAILABLE' : 'REQUEST_INVALID';
}

function parseAnswer<T>({ url }: Remote, call: Call<T>, text: string): T {
  const parsed = call.answer.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new AppError('UNAVAILABLE', `${url} answered ${call.path} with something unexpected.`, {
    hint: `Is it a caliban service of version ${VERSION}? See: caliban endpoint show`,
    cause: parsed.error,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  return /^\d{1,6}$/.test(value) ? Number(value) * 1_000 : undefined;
}

function tooSlow({ url }: Remote, deadlineMs: number, cause: unknown): AppError {
  const seconds = deadlineMs / 1_000;
  return new AppError('DEADLINE_EXCEEDED', `${url} did not answer within ${seconds} seconds.`, {
    hint: 'Try again.',
    cause,
  });
}

// fetch says only "fetch failed"; the reason is its cause.
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string')
    return cause.code;
  return cause instanceof Error ? cause.message : error.message;
}

function urlOf(remote: Remote, path: string, query: Call<unknown>['query']): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return `${remote.url}${path}${text === '' ? '' : `?${text}`}`;
}
