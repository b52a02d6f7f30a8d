import { MESSAGE_KINDS } from '../../ports/message.ts';
import { deadTopicId, topicId } from './pubsub-names.ts';

/** A subscription as it must be; seconds, as the API has them. */
export interface SubscriptionPlan {
  readonly id: string;
  readonly topic: string;
  readonly ackDeadlineSeconds: number;
  readonly retentionSeconds: number;
  /** Null: it keeps messages until they are pulled. */
  readonly push: PushPlan | null;
}

/** How a subscription delivers. */
export interface PushPlan {
  readonly endpoint: string;
  readonly serviceAccount: string;
  readonly audience: string;
  readonly minBackoffSeconds: number;
  readonly maxBackoffSeconds: number;
  readonly deadTopic: string;
  readonly maxDeliveryAttempts: number;
}

/** Topics and subscriptions, by id. No subscription expires. */
export interface PubSubTopology {
  readonly topics: readonly string[];
  readonly subscriptions: readonly SubscriptionPlan[];
}

/** Where messages are pushed to, and as whom. */
export interface PushTarget {
  readonly topicPrefix: string;
  /** URL of the worker, without a slash at its end; `/internal/{kind}` is added. */
  readonly base: string;
  /** E-mail of the account whose ID tokens the pushes bear, and their audience. */
  readonly serviceAccount: string;
  readonly audience: string;
}

/** Seven days, which every Pub/Sub and its emulator take. */
const RETENTION_SECONDS = 604_800;
/** The longest there is; for a push it is also how long a handler may take. */
const ACK_DEADLINE_SECONDS = 600;
/**
 * The worker parks a message that failed ten times by itself; what is given up here could not be read, or met a service in trouble all
 * the time: with the waits below, for about seven hours.
 */
const DELIVERY_ATTEMPTS = 50;

/** Everything the hosted service needs of Pub/Sub, as data: for the infrastructure program, and for {@link provisionPubSub}. */
export function pubSubTopology(target: PushTarget): PubSubTopology {
  const { topicPrefix, base, serviceAccount, audience } = target;
  const dead = deadTopicId(topicPrefix);
  const pushes = MESSAGE_KINDS.map((kind) => ({
    id: topicId(topicPrefix, kind),
    topic: topicId(topicPrefix, kind),
    ackDeadlineSeconds: ACK_DEADLINE_SECONDS,
    retentionSeconds: RETENTION_SECONDS,
    push: {
      endpoint: `${base}/internal/${kind}`,
      serviceAccount,
      audience,
      minBackoffSeconds: 10,
      maxBackoffSeconds: 600,
      deadTopic: dead,
      maxDeliveryAttempts: DELIVERY_ATTEMPTS,
    },
  }));
  const deadLetters = {
    id: dead,
    topic: dead,
    ackDeadlineSeconds: 60,
    retentionSeconds: RETENTION_SECONDS,
    push: null,
  };
  return {
    topics: [...pushes.map(({ topic }) => topic), dead],
    subscriptions: [...pushes, deadLetters],
  };
}
