import type { protos, v1 } from '@google-cloud/pubsub';
import { GRPC, grpcCodeOf, unavailable } from './google-errors.ts';
import { createPubSubClients, type PubSubSettings } from './pubsub-clients.ts';
import { subscriptionName, topicName } from './pubsub-names.ts';
import type { PubSubTopology, SubscriptionPlan } from './pubsub-topology.ts';

type Subscription = protos.google.pubsub.v1.ISubscription;

const TIMEOUT_MS = 20_000;

/** What of an existing subscription is changed. Its topic never can be, and the emulator changes no expiration. */
const CHANGED = [
  'ack_deadline_seconds',
  'message_retention_duration',
  'push_config',
  'retry_policy',
  'dead_letter_policy',
];

/**
 * Makes topics and subscriptions that are missing, and changes subscriptions that are otherwise; for development and tests, a
 * deployment has its infrastructure program. Idempotent. Throws AppError UNAVAILABLE.
 */
export async function provisionPubSub(
  settings: Pick<PubSubSettings, 'projectId' | 'endpoint'>,
  topology: PubSubTopology,
): Promise<void> {
  const clients = createPubSubClients({ ...settings, topicPrefix: '' });
  try {
    const publisher = await clients.publisher();
    const subscriber = await clients.subscriber();
    for (const topic of topology.topics) await makeTopic(publisher, topicName(settings, topic));
    for (const plan of topology.subscriptions) {
      await makeSubscription(subscriber, subscriptionOf(settings, plan));
    }
  } catch (error) {
    throw unavailable('Pub/Sub', error);
  } finally {
    await clients.close();
  }
}

async function makeTopic(publisher: v1.PublisherClient, name: string): Promise<void> {
  await unlessThere(() => publisher.createTopic({ name }, callOptions()));
}

async function makeSubscription(
  subscriber: v1.SubscriberClient,
  subscription: Subscription,
): Promise<void> {
  const isNew = await unlessThere(() => subscriber.createSubscription(subscription, callOptions()));
  if (isNew) return;
  const updateMask = { paths: CHANGED };
  await subscriber.updateSubscription({ subscription, updateMask }, callOptions());
}

function callOptions() {
  return { timeout: TIMEOUT_MS, signal: AbortSignal.timeout(TIMEOUT_MS) };
}

async function unlessThere(make: () => Promise<unknown>): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (error) {
    if (grpcCodeOf(error) !== GRPC.alreadyExists) throw error;
    return false;
  }
}

function subscriptionOf(
  settings: Pick<PubSubSettings, 'projectId'>,
  { id, topic, ackDeadlineSeconds, retentionSeconds, push }: SubscriptionPlan,
): Subscription {
  const name = subscriptionName(settings, id);
  const kept = {
    name,
    topic: topicName(settings, topic),
    ackDeadlineSeconds,
    messageRetentionDuration: { seconds: retentionSeconds },
    // Without a time to live in it: never.
    expirationPolicy: {},
  };
  if (push === null) return kept;
  const { endpoint, serviceAccount, audience } = push;
  return {
    ...kept,
    pushConfig: {
      pushEndpoint: endpoint,
      oidcToken: { serviceAccountEmail: serviceAccount, audience },
    },
    retryPolicy: {
      minimumBackoff: { seconds: push.minBackoffSeconds },
      maximumBackoff: { seconds: push.maxBackoffSeconds },
    },
    deadLetterPolicy: {
      deadLetterTopic: topicName(settings, push.deadTopic),
      maxDeliveryAttempts: push.maxDeliveryAttempts,
    },
  };
}
