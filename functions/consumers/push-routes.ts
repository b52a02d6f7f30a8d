import type { Hono } from 'hono';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import type { CoreDeps } from '../core/deps.ts';
import { outboxRow } from '../core/outbox.ts';
import { isHostTrouble } from '../ports/host-trouble.ts';
import type { Message } from '../ports/message.ts';
import { put } from '../ports/store.ts';
import {
  createInternalApp,
  type InternalOptions,
  Refused,
  withinDeadline,
} from './internal-app.ts';
import { type Push, parsePush } from './push-message.ts';
import { MAX_ATTEMPTS } from './put-back.ts';
import { tellHandled } from './tell-handled.ts';

/** Most bytes of a push: our messages have a few hundred. */
const BODY_BYTES = 64 * 1024;

/** What the push endpoints are made of. */
export interface WorkerOptions extends InternalOptions {
  /** Handles a message, idempotently; a throw means: deliver it again. Ends soon after the signal, by throwing. */
  readonly handle: (message: Message, signal: AbortSignal) => Promise<void>;
}

/**
 * The consumer of the hosted service: `POST /internal/{kind}` for each kind of message. 204 says that the message is done and what
 * followed from it is committed; every other status makes Pub/Sub deliver it again, and in the end put it to the dead letters.
 */
export function createWorker(options: WorkerOptions): Hono {
  const { deps } = options;
  const app = createInternalApp(options, BODY_BYTES);
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
      withinDeadline(options, `A message of kind ${message.kind}`, (signal) =>
        options.handle(message, signal),
      ),
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

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
