import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { toErrorBody } from '../../shared/api/error.ts';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import type { CoreDeps } from '../core/deps.ts';
import { outboxRow } from '../core/outbox.ts';
import { isHostTrouble } from '../ports/host-trouble.ts';
import type { Message } from '../ports/message.ts';
import { put } from '../ports/store.ts';
import { type Push, parsePush } from './push-message.ts';
import { MAX_ATTEMPTS } from './put-back.ts';
import { tellHandled } from './tell-handled.ts';

/** Most bytes of a push: our messages have a few hundred. */
const BODY_BYTES = 64 * 1024;
/** How long a handler whose time is over has to break off. */
const GRACE_MS = 5_000;

/** What the push endpoints are made of. */
export interface WorkerOptions {
  readonly deps: CoreDeps;
  /** Throws AppErrors UNAUTHENTICATED and FORBIDDEN for whoever is not the queue's own identity, UNAVAILABLE when it cannot tell. */
  readonly caller: (authorization: string | undefined) => Promise<void>;
  /** Handles a message, idempotently; a throw means: deliver it again. Ends soon after the signal, by throwing. */
  readonly handle: (message: Message, signal: AbortSignal) => Promise<void>;
  /** When a handler is told to break off. With 5 s more it must end before the subscription's ack deadline and the function's own. */
  readonly deadlineMs: number;
}

/**
 * The consumer of the hosted service: `POST /internal/{kind}` for each kind of message. 204 says that the message is done and what
 * followed from it is committed; every other status makes Pub/Sub deliver it again, and in the end put it to the dead letters.
 *
 * At the deadline the handler's signal aborts, and it has 5 s to break off. One that does not is left behind and the push answered
 * 503: whatever it still does is safe, since handlers are idempotent and commit by compare-and-set, but it may stand still as soon as
 * the reply is out (functions have no processor between requests).
 */
export function createWorker(options: WorkerOptions): Hono {
  const { deps, caller } = options;
  const app = new Hono();
  app.onError((error, c) => answerFailure(deps, error, c));
  app.notFound((c) => answerFailure(deps, noRoute(c.req.path), c));
  // Before anything else of the request is looked at.
  app.use('/internal/*', async (c, next) => {
    await caller(c.req.header('Authorization'));
    await next();
  });
  app.use('/internal/*', bodyLimit({ maxSize: BODY_BYTES, onError: refuseLarge }));
  app.post('/internal/:kind', async (c) => {
    const push = readPush(deps, await c.req.text());
    const { kind } = push.message;
    if (c.req.param('kind') !== kind) {
      throw new AppError(
        'REQUEST_INVALID',
        `A message of kind ${kind} came to ${c.req.path.slice(0, 100)}.`,
        { hint: `The subscription of the topic for ${kind} must push to /internal/${kind}.` },
      );
    }
    await handled(options, push);
    return c.body(null, 204);
  });
  return app;
}

// What cannot be read goes to the dead letters after many deliveries; the first one tells.
function readPush(deps: CoreDeps, text: string): Push {
  const body = parsedJson(text);
  try {
    return parsePush(body);
  } catch (error) {
    if (isFirstDelivery(body)) deps.log.warn({ error: String(error) }, 'push cannot be read');
    throw new Refused(error);
  }
}

function isFirstDelivery(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || !('deliveryAttempt' in body)) return true;
  return body.deliveryAttempt === 0 || body.deliveryAttempt === 1;
}

async function handled(options: WorkerOptions, push: Push): Promise<void> {
  const { deps } = options;
  const { message, messageId, deliveryAttempt: attempts } = push;
  try {
    await deps.log.within({ messageId, deliveryAttempt: attempts }, () =>
      withinDeadline(options, message),
    );
  } catch (error) {
    if (!isToBeParked(error, attempts)) {
      tellHandled(deps, message, { outcome: 'put back', attempts, error: String(error) });
      throw new Refused(
        new AppError('UNAVAILABLE', 'The message was not handled; deliver it again.', {
          cause: error,
        }),
      );
    }
    await park(deps, push, error);
    tellHandled(deps, message, { outcome: 'parked', attempts, error: String(error) });
    return;
  }
  tellHandled(deps, message, { outcome: 'done' });
}

async function withinDeadline(options: WorkerOptions, message: Message): Promise<void> {
  const { deps, handle, deadlineMs } = options;
  const late = new AppError(
    'DEADLINE_EXCEEDED',
    `A message of kind ${message.kind} was not handled within ${deadlineMs / 1_000} seconds.`,
    { hint: 'It is delivered again.', context: { limitMs: deadlineMs } },
  );
  const ending = new AbortController();
  const ended = new AbortController();
  const over = (async () => {
    await deps.clock.sleep(deadlineMs, ended.signal);
    ending.abort(late);
    await deps.clock.sleep(GRACE_MS, ended.signal);
    throw late;
  })();
  // Once the handler has ended, the wait ends by rejecting.
  over.catch(() => {});
  try {
    await Promise.race([handle(message, ending.signal), over]);
  } finally {
    ended.abort();
  }
}

/**
 * Whether a message failed by itself, and so often that it is put aside. A host or a service in trouble is not the message's fault; while that lasts it
 * comes again. Pub/Sub counts those deliveries too, so that after such trouble one failure of its own may be enough.
 */
function isToBeParked(error: unknown, attempts: number | null): boolean {
  if (attempts === null || attempts < MAX_ATTEMPTS) return false;
  return !isHostTrouble(error) && !isAppError(error, 'UNAVAILABLE');
}

// One row however often it is delivered: tick ends what the message stood for.
async function park(deps: CoreDeps, push: Push, error: unknown): Promise<void> {
  const { message, messageId, deliveryAttempt } = push;
  const row = {
    ...outboxRow({ message }, deps.clock.now()),
    attempts: deliveryAttempt ?? 0,
    parked: true,
    lastError: String(error).slice(0, 1_000),
  };
  const id = `push-${message.kind}-${messageId.replace(/[^\w-]/g, '_').slice(0, 150)}`;
  await deps.store.commit([put({ collection: 'outbox', id }, row)]);
}

/** A failure that was told already, and its answer. */
class Refused extends Error {
  override readonly name = 'Refused';

  constructor(cause: unknown) {
    super(String(cause), { cause });
  }
}

function answerFailure(deps: CoreDeps, error: Error, c: Context): Response {
  const failure = error instanceof Refused ? error.cause : error;
  if (!(error instanceof Refused)) {
    deps.log.warn({ path: c.req.path.slice(0, 100), error: String(error) }, 'push refused');
  }
  if (isAppError(failure)) return answer(failure, c);
  return answer(new AppError('UNAVAILABLE', 'Deliver it again.', { cause: failure }), c);
}

function answer(error: AppError, c: Context): Response {
  if (error.status === 401) c.header('WWW-Authenticate', 'Bearer realm="caliban"');
  // Statuses of the catalog all have a body.
  return c.json(toErrorBody(error, ''), error.status as ContentfulStatusCode);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuseLarge(): never {
  throw new AppError('REQUEST_TOO_LARGE', `A push has more than ${BODY_BYTES} bytes.`, {
    context: { limitBytes: BODY_BYTES },
  });
}

function noRoute(path: string): AppError {
  return new AppError('ROUTE_NOT_FOUND', `There is nothing at ${path.slice(0, 100)}.`, {
    hint: 'Pushes come to /internal/{kind}.',
  });
}
