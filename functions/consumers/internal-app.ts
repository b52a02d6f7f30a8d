import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { toErrorBody } from '../../shared/api/error.ts';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import type { CoreDeps } from '../core/deps.ts';

/** What only the service's own identity may call. */
export interface InternalOptions {
  readonly deps: CoreDeps;
  /** Throws AppErrors UNAUTHENTICATED and FORBIDDEN for whoever is not the service's own identity, UNAVAILABLE when it cannot tell. */
  readonly caller: (authorization: string | undefined) => Promise<void>;
  /** When work is told to break off (ms). With 5 s more it must end before the caller's deadline and the function's own. */
  readonly deadlineMs: number;
}

/** How long work whose time is over has to break off. */
const GRACE_MS = 5_000;

/**
 * An app whose routes below /internal/ take nothing from anybody but the service's own identity, which is looked at before anything
 * else. Every failure is answered in the one error form, and makes the caller call again.
 */
export function createInternalApp(
  { deps, caller }: Pick<InternalOptions, 'deps' | 'caller'>,
  bodyBytes: number,
): Hono {
  const app = new Hono();
  app.onError((error, c) => answerFailure(deps, error, c));
  app.notFound((c) => answerFailure(deps, noRoute(c.req.path), c));
  app.use('/internal/*', async (c, next) => {
    await caller(c.req.header('Authorization'));
    await next();
  });
  app.use('/internal/*', bodyLimit({ maxSize: bodyBytes, onError: () => refuseLarge(bodyBytes) }));
  return app;
}

/** A failure that was told already, and its answer. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(cause: unknown) {
    super(String(cause), { cause });
  }
}

/**
 * Runs work until its deadline, at which its signal aborts; it then has 5 s to break off. What does not is left behind: whatever it
 * still does is safe, since all of it is idempotent and commits by compare-and-set, but it may stand still as soon as the reply is out
 * (functions have no processor between requests). Throws AppError DEADLINE_EXCEEDED.
 */
export async function withinDeadline(
  { deps, deadlineMs }: Pick<InternalOptions, 'deps' | 'deadlineMs'>,
  what: string,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const late = new AppError(
    'DEADLINE_EXCEEDED',
    `${what} was not handled within ${deadlineMs / 1_000} seconds.`,
    { hint: 'It is done again.', context: { limitMs: deadlineMs } },
  );
  const ending = new AbortController();
  const ended = new AbortController();
  const over = (async () => {
    await deps.clock.sleep(deadlineMs, ended.signal);
    ending.abort(late);
    await deps.clock.sleep(GRACE_MS, ended.signal);
    throw late;
  })();
  // Once the work has ended, the wait ends by rejecting.
  over.catch(() => {});
  try {
    await Promise.race([run(ending.signal), over]);
  } finally {
    ended.abort();
  }
}

function answerFailure(deps: CoreDeps, error: Error, c: Context): Response {
  const failure = error instanceof Refused ? error.cause : error;
  if (!(error instanceof Refused)) {
    deps.log.warn({ path: c.req.path.slice(0, 100), error: String(error) }, 'call refused');
  }
  if (isAppError(failure)) return answer(failure, c);
  return answer(new AppError('UNAVAILABLE', 'Call again.', { cause: failure }), c);
}

function answer(error: AppError, c: Context): Response {
  if (error.status === 401) c.header('WWW-Authenticate', 'Bearer realm="caliban"');
  // Statuses of the catalog all have a body.
  return c.json(toErrorBody(error, ''), error.status as ContentfulStatusCode);
}

function refuseLarge(bodyBytes: number): never {
  throw new AppError('REQUEST_TOO_LARGE', `A call has more than ${bodyBytes} bytes.`, {
    context: { limitBytes: bodyBytes },
  });
}

function noRoute(path: string): AppError {
  return new AppError('ROUTE_NOT_FOUND', `There is nothing at ${path.slice(0, 100)}.`, {
    hint: 'Calls come to /internal/{kind}, /internal/build-events and /internal/tick.',
  });
}
