import { test } from 'vitest';
import { pubSubTopology } from '../../../../../functions/adapters/gcp/pubsub-topology.ts';
import { MAX_ATTEMPTS } from '../../../../../functions/consumers/put-back.ts';
import { MESSAGE_KINDS } from '../../../../../functions/ports/message.ts';

const PLAN = pubSubTopology({
  topicPrefix: 'caliban',
  base: 'https://worker.example',
  serviceAccount: 'push@project.example',
  audience: 'https://worker.example',
});

test('each kind has a topic and a push subscription, and all of them one topic for dead letters', ({
  expect,
}) => {
  expect(PLAN.topics.toSorted()).toEqual(
    [...MESSAGE_KINDS, 'dead'].map((kind) => `caliban-${kind}`).toSorted(),
  );
  expect(PLAN.subscriptions.map(({ topic }) => topic).toSorted()).toEqual(PLAN.topics.toSorted());
  for (const { id, topic, push } of PLAN.subscriptions) {
    expect(id).toBe(topic);
    if (id === 'caliban-dead') expect(push).toBeNull();
    else {
      expect(push).toMatchObject({
        endpoint: `https://worker.example/internal/${id.slice('caliban-'.length)}`,
        serviceAccount: 'push@project.example',
        audience: 'https://worker.example',
        deadTopic: 'caliban-dead',
      });
    }
  }
});

test('numbers are ones that Pub/Sub takes, and a message is parked before it is given up', ({
  expect,
}) => {
  for (const { ackDeadlineSeconds, retentionSeconds, push } of PLAN.subscriptions) {
    expect(ackDeadlineSeconds).toBeGreaterThanOrEqual(10);
    expect(ackDeadlineSeconds).toBeLessThanOrEqual(600);
    expect(retentionSeconds).toBe(7 * 86_400);
    if (push === null) continue;
    expect([push.minBackoffSeconds, push.maxBackoffSeconds]).toEqual([10, 600]);
    expect(push.maxDeliveryAttempts).toBeGreaterThan(MAX_ATTEMPTS);
    expect(push.maxDeliveryAttempts).toBeLessThanOrEqual(100);
  }
});
