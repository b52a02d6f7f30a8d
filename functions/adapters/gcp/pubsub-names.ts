import type { Message } from '../../ports/message.ts';
import type { PubSubSettings } from './pubsub-clients.ts';

/** Id of the topic for a kind of message, and of its push subscription. */
export function topicId(topicPrefix: string, kind: Message['kind']): string {
  return `${topicPrefix}-${kind}`;
}

/** Id of the topic for messages that were given up, and of the subscription that keeps them. */
export function deadTopicId(topicPrefix: string): string {
  return `${topicPrefix}-dead`;
}

/** Full name of a topic. */
export function topicName({ projectId }: Pick<PubSubSettings, 'projectId'>, id: string): string {
  return `projects/${projectId}/topics/${id}`;
}

/** Full name of a subscription. */
export function subscriptionName(
  { projectId }: Pick<PubSubSettings, 'projectId'>,
  id: string,
): string {
  return `projects/${projectId}/subscriptions/${id}`;
}
