import type { v1 } from '@google-cloud/pubsub';
import type { DeadLetters, RedriveRequest } from '../../ports/dead-letters.ts';
import type { Message } from '../../ports/message.ts';
import { parseMessage } from '../../ports/message-wire.ts';
import type { Clock } from '../../ports/runtime.ts';
import { GRPC, grpcCodeOf, unavailable } from './google-errors.ts';
import { createPubSubClients, type PubSubSettings } from './pubsub-clients.ts';
import { deadTopicId, subscriptionName } from './pubsub-names.ts';
import { publishTo } from './pubsub-queue.ts';

const PAGE = 200;
/** Most dead letters that one call looks at, and how long it looks for more (it must end within a request). */
const MOST = 1_000;
const LOOK_MS = 12_000;
/** A pull that finds nothing waits, nobody knows for how long; so it is ended. */
const PULL_MS = 3_000;
const CALL_MS = 5_000;

/** How dead letters are looked at. */
export interface DeadLetterSettings extends PubSubSettings {
  readonly clock: Clock;
  /** How long a look waits before it finds that there is none (ms); default 3 s. */
  readonly pullMs?: number;
}

/** The dead letters of {@link createPubSubQueue}: what its subscriptions gave up is kept by one that nobody is pushed. */
export function createPubSubDeadLetters(
  settings: DeadLetterSettings,
): DeadLetters & { close(): Promise<void> } {
  const clients = createPubSubClients(settings);
  const subscription = subscriptionName(settings, deadTopicId(settings.topicPrefix));
  const pullMs = settings.pullMs ?? PULL_MS;

  async function move(subscriber: v1.SubscriberClient, letters: readonly Letter[]) {
    if (letters.length === 0) return;
    await publishTo({ clients, settings }, messagesOf(letters), CALL_MS);
    const ackIds = letters.map(({ ackId }) => ackId);
    await subscriber.acknowledge({ subscription, ackIds }, callOptions());
  }

  // One pull; what stays is added to `held`.
  async function page(
    subscriber: v1.SubscriberClient,
    request: RedriveRequest,
    held: Set<string>,
  ): Promise<{ readonly looked: number; readonly dead: number; readonly unreadable: number }> {
    const letters = await pull(subscriber, subscription, pullMs);
    for (const { ackId } of letters) held.add(ackId);
    const wanted = letters.filter((letter) => isWanted(letter, request));
    const moved = request.dryRun ? [] : wanted;
    await move(subscriber, moved);
    for (const { ackId } of moved) held.delete(ackId);
    const unreadable = letters.length - messagesOf(letters).length;
    return { looked: letters.length, dead: wanted.length, unreadable };
  }

  async function redriven(subscriber: v1.SubscriberClient, request: RedriveRequest) {
    const end = settings.clock.now() + LOOK_MS;
    const held = new Set<string>();
    const sums = { looked: 0, dead: 0, unreadable: 0, more: true };
    try {
      while (sums.more && sums.looked < MOST && settings.clock.now() < end) {
        const { looked, dead, unreadable } = await page(subscriber, request, held);
        sums.looked += looked;
        sums.dead += dead;
        sums.unreadable += unreadable;
        sums.more = looked > 0;
      }
    } finally {
      await giveBack(subscriber, subscription, [...held]);
    }
    return { dead: sums.dead, unreadable: sums.unreadable, more: sums.more };
  }

  return {
    async redrive(request) {
      try {
        return await redriven(await clients.subscriber(), request);
      } catch (error) {
        throw unavailable('Pub/Sub', error);
      }
    },
    close: () => clients.close(),
  };
}

/** Null: it cannot be read, now or ever. */
interface Letter {
  readonly ackId: string;
  readonly message: Message | null;
}

async function pull(
  subscriber: v1.SubscriberClient,
  subscription: string,
  pullMs: number,
): Promise<Letter[]> {
  const signal = AbortSignal.timeout(pullMs);
  try {
    const [answer] = await subscriber.pull(
      { subscription, maxMessages: PAGE },
      { signal, timeout: pullMs },
    );
    return (answer.receivedMessages ?? []).flatMap(({ ackId, message }) =>
      typeof ackId === 'string' ? [{ ackId, message: readable(message?.data) }] : [],
    );
  } catch (error) {
    if (signal.aborted || grpcCodeOf(error) === GRPC.deadlineExceeded) return [];
    throw error;
  }
}

function readable(data: string | Uint8Array | null | undefined): Message | null {
  try {
    return parseMessage(typeof data === 'string' ? data : Buffer.from(data ?? []).toString());
  } catch {
    return null;
  }
}

function isWanted({ message }: Letter, { kind }: RedriveRequest): boolean {
  return message !== null && (kind === null || message.kind === kind);
}

function messagesOf(letters: readonly Letter[]): Message[] {
  return letters.flatMap(({ message }) => (message === null ? [] : [message]));
}

// Whatever was not forgotten. Only at the end, else the next pull would get it again. It failing does no harm: their time passes.
async function giveBack(
  subscriber: v1.SubscriberClient,
  subscription: string,
  ackIds: string[],
): Promise<void> {
  if (ackIds.length === 0) return;
  const request = { subscription, ackIds, ackDeadlineSeconds: 0 };
  await subscriber.modifyAckDeadline(request, callOptions()).catch(() => undefined);
}

function callOptions() {
  return { timeout: CALL_MS, signal: AbortSignal.timeout(CALL_MS) };
}
