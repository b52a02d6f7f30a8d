import pLimit from 'p-limit';
import { MESSAGE_KINDS, type Message } from '../../ports/message.ts';
import { encodeMessage } from '../../ports/message-wire.ts';
import type { Queue } from '../../ports/queue.ts';
import { unavailable } from './google-errors.ts';
import { createPubSubClients, type PubSubClients, type PubSubSettings } from './pubsub-clients.ts';
import { topicId, topicName } from './pubsub-names.ts';

/** Of one publish request: https://cloud.google.com/pubsub/quotas#resource_limits, read 2026-11. */
const REQUEST_MESSAGES = 1_000;
/** Of the data in one request; its limit is 10 MB, with some room for what is around each message. */
const REQUEST_BYTES = 8_000_000;
const REQUESTS_IN_FLIGHT = 8;
/** All of a `publish`: what is not out by then stays in the outbox, and tick publishes it. */
const DEADLINE_MS = 10_000;

/** A queue over Pub/Sub: one topic for each kind of message. `deadlineMs`: of one `publish`, default 10 s. */
export function createPubSubQueue(
  settings: PubSubSettings & { readonly deadlineMs?: number },
): Queue & { close(): Promise<void> } {
  const clients = createPubSubClients(settings);
  return {
    keepsMessages: true,
    async publish(messages) {
      await publishTo({ clients, settings }, messages, settings.deadlineMs ?? DEADLINE_MS);
    },
    close: () => clients.close(),
  };
}

/** Publishes each message to the topic of its kind, in as few requests as the limits allow. Throws AppError UNAVAILABLE. */
export async function publishTo(
  { clients, settings }: { readonly clients: PubSubClients; readonly settings: PubSubSettings },
  messages: readonly Message[],
  deadlineMs: number,
): Promise<void> {
  if (messages.length === 0) return;
  const limit = pLimit(REQUESTS_IN_FLIGHT);
  const signal = AbortSignal.timeout(deadlineMs);
  try {
    const publisher = await clients.publisher();
    const requests = requestsOf(messages).map(({ kind, datas }) =>
      limit(async () => {
        signal.throwIfAborted();
        const topic = topicName(settings, topicId(settings.topicPrefix, kind));
        const batch = datas.map((data) => ({ data, attributes: { kind } }));
        await publisher.publish({ topic, messages: batch }, { signal, timeout: deadlineMs });
      }),
    );
    // Every one is awaited, so that none runs on after the answer.
    const failed = (await Promise.allSettled(requests)).find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  } catch (error) {
    throw unavailable('Pub/Sub', error);
  }
}

interface PublishRequest {
  readonly kind: Message['kind'];
  readonly datas: Buffer[];
}

function requestsOf(messages: readonly Message[]): PublishRequest[] {
  return MESSAGE_KINDS.flatMap((kind) => {
    const datas = messages
      .filter((message) => message.kind === kind)
      .map((message) => Buffer.from(encodeMessage(message)));
    return batchesOf(datas).map((batch) => ({ kind, datas: batch }));
  });
}

function batchesOf(datas: readonly Buffer[]): Buffer[][] {
  const batches: Buffer[][] = [];
  let bytes = 0;
  for (const data of datas) {
    const last = batches.at(-1);
    const hasRoom =
      last !== undefined && last.length < REQUEST_MESSAGES && bytes + data.length <= REQUEST_BYTES;
    if (hasRoom) last.push(data);
    else batches.push([data]);
    bytes = hasRoom ? bytes + data.length : data.length;
  }
  return batches;
}
