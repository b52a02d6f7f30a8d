import { describe, type TestContext, test, vi } from 'vitest';
import { createPubSubDeadLetters } from '../../functions/adapters/gcp/pubsub-dead-letters.ts';
import { createPubSubQueue } from '../../functions/adapters/gcp/pubsub-queue.ts';
import type { Message } from '../../functions/ports/message.ts';
import { encodeMessage } from '../../functions/ports/message-wire.ts';
import { FAULTS } from '../doubles/google-api/faults.ts';
import { startGoogleApi } from '../doubles/google-api/google-api.ts';
import { systemClock } from '../fixtures/system-clock.ts';

// What Google's emulator cannot show: requests as they are sent, over TLS to a private endpoint, and faults of the wire.

const STOP: Message = { kind: 'stop', submissionId: 's' };
const TOPIC = 'projects/test-project/topics/caliban-';

describe('publishing', () => {
  test('sends as few requests as the limits allow, each to the topic of its kind', async (t) => {
    const { queue, requests } = await opened(t);
    const chunks = Array.from(
      { length: 2_500 },
      (_, chunk): Message => ({ kind: 'expand', submissionId: 's', chunk }),
    );
    await queue.publish([STOP, ...chunks, { kind: 'stop', submissionId: 's2' }]);
    const sizes = requests.map(({ topic, messages }) => [topic, messages.length]);
    t.expect(sizes.toSorted()).toEqual([
      [`${TOPIC}expand`, 1_000],
      [`${TOPIC}expand`, 1_000],
      [`${TOPIC}expand`, 500],
      [`${TOPIC}stop`, 2],
    ]);
    const [stop] = requests.find(({ topic }) => topic.endsWith('stop'))?.messages ?? [];
    t.expect(stop).toMatchObject({ attributes: { kind: 'stop' } });
    t.expect(stop?.data.toString()).toBe(encodeMessage(STOP));
  });

  test('survives a service that stumbles, at worst by saying something twice', async (t) => {
    const { api, queue, requests } = await opened(t);
    api.faults.script('Publish', FAULTS.unavailable, FAULTS.lostReply, null);
    await queue.publish([STOP]);
    t.expect(requests).toHaveLength(2);
  });

  test('is UNAVAILABLE when no answer comes in time, and when it is refused', async (t) => {
    const { api, queue } = await opened(t);
    api.faults.script('Publish', { kind: 'delay', ms: 20_000 });
    const before = performance.now();
    await t.expect(queue.publish([STOP])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect(performance.now() - before).toBeLessThan(10_000);
    api.faults.script('Publish', { kind: 'refuse', code: 7, message: 'No right to publish.' });
    await t.expect(queue.publish([STOP])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'Pub/Sub does not answer: No right to publish.',
    });
  });
});

describe('redrive', () => {
  const ALL = { kind: null, dryRun: false } as const;

  test('publishes before it forgets: when that fails, the message comes twice and is not lost', async (t) => {
    const { api, dead, kept, requests } = await opened(t);
    kept.push(letter('1', STOP));
    api.faults.script('Acknowledge', { kind: 'refuse', code: 7, message: 'Not now.' });
    await t.expect(dead.redrive(ALL)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect([requests.length, kept.length]).toEqual([1, 1]);
    t.expect(await dead.redrive(ALL)).toEqual({ dead: 1, unreadable: 0, more: false });
    t.expect([requests.length, kept.length]).toEqual([2, 0]);
  });

  test('forgets nothing that could not be published', async (t) => {
    const { api, dead, kept } = await opened(t);
    kept.push(letter('1', STOP));
    api.faults.script('Publish', { kind: 'refuse', code: 7, message: 'Not now.' });
    await t.expect(dead.redrive(ALL)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect([kept.length, api.calls('Acknowledge').length]).toEqual([1, 0]);
  });

  test('gives back at once what it leaves', async (t) => {
    const { dead, kept, requests, givenBack } = await opened(t);
    kept.push(letter('1', STOP), letter('2', { kind: 'drain', lane: 'l' }));
    kept.push({ ackId: '3', data: Buffer.from('{"schemaVersion":2}') });
    const stops = await dead.redrive({ kind: 'stop', dryRun: false });
    t.expect(stops).toEqual({ dead: 1, unreadable: 1, more: false });
    t.expect(requests.map(({ topic }) => topic)).toEqual([`${TOPIC}stop`]);
    t.expect(givenBack).toEqual(['2', '3']);
    const counted = await dead.redrive({ kind: null, dryRun: true });
    t.expect(counted).toEqual({ dead: 1, unreadable: 1, more: false });
    t.expect(requests).toHaveLength(1);
  });

  test('looks at a bounded number, and says that there are more', async (t) => {
    const { dead, kept } = await opened(t);
    for (let at = 0; at < 1_300; at++) kept.push(letter(`${at}`, STOP));
    t.expect(await dead.redrive(ALL)).toEqual({ dead: 1_000, unreadable: 0, more: true });
    t.expect(await dead.redrive(ALL)).toEqual({ dead: 300, unreadable: 0, more: false });
    t.expect(kept).toEqual([]);
  });
});

interface Letter {
  readonly ackId: string;
  readonly data: Buffer;
}

interface Publish {
  readonly topic: string;
  readonly messages: readonly { readonly data: Buffer }[];
}

function letter(ackId: string, message: Message): Letter {
  return { ackId, data: Buffer.from(encodeMessage(message)) };
}

// As much of Pub/Sub as the adapters use: it keeps dead letters, and what is published is only noted.
async function opened({ onTestFinished }: TestContext) {
  const api = await startGoogleApi();
  onTestFinished(() => api.close());
  const { requests, kept, givenBack } = serve(api);
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', api.environment.GOOGLE_APPLICATION_CREDENTIALS);
  onTestFinished(() => void vi.unstubAllEnvs());
  const settings = { projectId: 'test-project', topicPrefix: 'caliban', endpoint: api.endpoint };
  const queue = createPubSubQueue({ ...settings, deadlineMs: 4_000 });
  const dead = createPubSubDeadLetters({ ...settings, clock: systemClock });
  onTestFinished(async () => {
    await Promise.all([queue.close(), dead.close()]);
  });
  return { api, queue, dead, requests, kept, givenBack };
}

function serve(api: Awaited<ReturnType<typeof startGoogleApi>>) {
  const requests: Publish[] = [];
  const kept: Letter[] = [];
  const givenBack: string[] = [];
  const leased = new Set<string>();
  const proto = 'google/pubsub/v1/pubsub.proto';
  api.serve({
    proto,
    name: 'google.pubsub.v1.Publisher',
    methods: {
      Publish: {
        routing: 'topic',
        handle(request: Publish) {
          requests.push(request);
          return { messageIds: request.messages.map((_, at) => `${at}`) };
        },
      },
    },
  });
  api.serve({
    proto,
    name: 'google.pubsub.v1.Subscriber',
    methods: {
      Pull: {
        routing: 'subscription',
        handle({ maxMessages }: { maxMessages: number }) {
          const given = kept.filter(({ ackId }) => !leased.has(ackId)).slice(0, maxMessages);
          for (const { ackId } of given) leased.add(ackId);
          return {
            receivedMessages: given.map(({ ackId, data }) => ({ ackId, message: { data } })),
          };
        },
      },
      Acknowledge: {
        routing: 'subscription',
        handle({ ackIds }: { ackIds: readonly string[] }) {
          const left = kept.filter(({ ackId }) => !ackIds.includes(ackId));
          kept.splice(0, kept.length, ...left);
          return {};
        },
      },
      ModifyAckDeadline: {
        routing: 'subscription',
        handle({ ackIds }: { ackIds: readonly string[] }) {
          for (const ackId of ackIds) leased.delete(ackId);
          givenBack.push(...ackIds);
          return {};
        },
      },
    },
  });
  return { requests, kept, givenBack };
}
