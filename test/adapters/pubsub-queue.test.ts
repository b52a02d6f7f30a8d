import { getRequestListener } from '@hono/node-server';
import { beforeAll, describe, test, vi } from 'vitest';
import { createOidcCaller } from '../../functions/adapters/gcp/oidc-caller.ts';
import { createPubSubDeadLetters } from '../../functions/adapters/gcp/pubsub-dead-letters.ts';
import { provisionPubSub } from '../../functions/adapters/gcp/pubsub-provision.ts';
import { createPubSubQueue } from '../../functions/adapters/gcp/pubsub-queue.ts';
import {
  type PubSubTopology,
  pubSubTopology,
} from '../../functions/adapters/gcp/pubsub-topology.ts';
import { createWorker } from '../../functions/consumers/push-routes.ts';
import type { Message } from '../../functions/ports/message.ts';
import { queueContract } from '../contract/queue.ts';
import { coreDeps } from '../doubles/builders.ts';
import { type OidcDouble, startOidcProvider } from '../doubles/oidc-provider/oidc-provider.ts';
import {
  type PushRelay,
  type RelayOptions,
  reversedBy,
  startPushRelay,
} from '../doubles/push-relay/push-relay.ts';
import { serveHttp } from '../fixtures/loopback-server.ts';
import { type PubSubEmulator, startPubSubEmulator } from '../fixtures/pubsub-emulator.ts';
import { hasPart } from '../fixtures/require.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const EMAIL = 'push@project.iam.gserviceaccount.com';
const AUDIENCE = 'https://worker.example';
const STOP: Message = { kind: 'stop', submissionId: 's' };
/** The fewest there may be. */
const FEW_ATTEMPTS = 5;

describe.runIf(hasPart('emulators'))('Pub/Sub, by its emulator', () => {
  let emulator: PubSubEmulator;
  let oidc: OidcDouble;
  beforeAll(async () => {
    [emulator, oidc] = await Promise.all([startPubSubEmulator(), startOidcProvider()]);
    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    return async () => {
      vi.unstubAllEnvs();
      await Promise.all([emulator.close(), oidc.close()]);
    };
  });
  const open = (options: OpenOptions = {}) => openService(oidc, options);

  queueContract('pubsub', async () => {
    const service = await open();
    return {
      queue: service.queue,
      told: async (expected) => {
        await service.handledAtLeast(expected);
        return { messages: service.handled.splice(0), wakes: 0 };
      },
      close: service.close,
    };
  });

  describe('delivery', () => {
    test('twice, late or with a lost reply reaches the handler, and ends with 204', async (t) => {
      for (const fate of [
        () => 'twice' as const,
        () => 'twice-at-once' as const,
        ({ count }: { count: number }) => (count === 1 ? 'lose-reply' : 'deliver'),
        ({ count }: { count: number }) => (count === 1 ? 'drop' : 'deliver'),
      ] as const) {
        const service = await open({ relay: { fate } });
        t.onTestFinished(service.close);
        await service.queue.publish([STOP]);
        await t.expect.poll(() => service.relay.delivered.at(-1)?.status).toBe(204);
        t.expect(new Set(service.handled.map(({ kind }) => kind))).toEqual(new Set(['stop']));
      }
    }, 60_000);

    test('in another order than published ends well, too', async (t) => {
      const service = await open({ relay: { fate: reversedBy(3) } });
      t.onTestFinished(service.close);
      // The emulator pushes one message at a time of a subscription that is new.
      const messages: readonly Message[] = [
        STOP,
        { kind: 'image', submissionId: 's' },
        { kind: 'drain', lane: 'l' },
      ];
      await service.queue.publish(messages);
      await service.handledAtLeast(3);
      t.expect(service.handled).toEqual(t.expect.arrayContaining([...messages]));
      await t.expect.poll(() => service.relay.delivered).toHaveLength(3);
    });

    test('by anybody but the account of the pushes is refused', async (t) => {
      const service = await open();
      t.onTestFinished(service.close);
      const claims = { aud: AUDIENCE, email: EMAIL };
      const cases = [
        [undefined, 401],
        [`Bearer ${await oidc.idToken({ ...claims, aud: 'https://other.example' })}`, 401],
        [`Bearer ${await oidc.idToken({ ...claims, email: 'eve@project.example' })}`, 403],
        [`Bearer ${await oidc.idToken(claims, 'foreign')}`, 401],
      ] as const;
      for (const [authorization, status] of cases) {
        const refusing = await open({ relay: { authorization: async () => authorization } });
        t.onTestFinished(refusing.close);
        await refusing.queue.publish([STOP]);
        await t.expect
          .poll(() => refusing.relay.delivered[0])
          .toEqual({
            path: '/internal/stop',
            status,
          });
        t.expect(refusing.handled).toEqual([]);
      }
    });
  });

  describe('dead letters', () => {
    test('are what was given up, and come again by redrive, once', async (t) => {
      let isBroken = true;
      const service = await open({
        handle: async () => {
          if (isBroken) throw new Error('broken');
        },
      });
      t.onTestFinished(service.close);
      const { queue, dead } = service;
      const drain: Message = { kind: 'drain', lane: 'l' };
      await queue.publish([STOP, drain]);
      await service.handledAtLeast(2 * FEW_ATTEMPTS);
      await t.expect
        .poll(() => dead.redrive({ kind: null, dryRun: true }), { timeout: 25_000 })
        .toEqual({ dead: 2, unreadable: 0, more: false });
      t.expect(service.handled).toHaveLength(2 * FEW_ATTEMPTS);
      isBroken = false;
      service.handled.length = 0;
      const stops = await dead.redrive({ kind: 'stop', dryRun: false });
      t.expect(stops).toEqual({ dead: 1, unreadable: 0, more: false });
      await service.handledAtLeast(1);
      t.expect(service.handled).toEqual([STOP]);
      await t.expect
        .poll(() => dead.redrive({ kind: null, dryRun: false }))
        .toEqual({ dead: 1, unreadable: 0, more: false });
      await service.handledAtLeast(2);
      t.expect(service.handled).toEqual([STOP, drain]);
      const nothing = await dead.redrive({ kind: null, dryRun: false });
      t.expect(nothing).toEqual({ dead: 0, unreadable: 0, more: false });
    }, 60_000);

    test('that cannot be read stay, and are told', async (t) => {
      const service = await open();
      t.onTestFinished(service.close);
      const { PubSub } = await import('@google-cloud/pubsub');
      const other = new PubSub({ projectId: service.projectId });
      t.onTestFinished(() => other.close());
      const data = Buffer.from('{"schemaVersion":2,"kind":"later"}');
      await other.topic('caliban-stop').publishMessage({ data });
      for (let look = 0; look < 2; look++) {
        await t.expect
          .poll(() => service.dead.redrive({ kind: null, dryRun: false }), { timeout: 25_000 })
          .toEqual({ dead: 0, unreadable: 1, more: false });
      }
      t.expect(service.handled).toEqual([]);
      t.expect(service.relay.delivered.map(({ status }) => status)).toEqual(
        Array(FEW_ATTEMPTS).fill(422),
      );
    }, 60_000);
  });

  test('provisioning again changes what is otherwise, and nothing else', async (t) => {
    const service = await open();
    t.onTestFinished(service.close);
    const topology = pubSubTopology({
      topicPrefix: 'caliban',
      base: 'https://elsewhere.example',
      serviceAccount: EMAIL,
      audience: AUDIENCE,
    });
    await provisionPubSub(service, topology);
    await provisionPubSub(service, topology);
    const { PubSub } = await import('@google-cloud/pubsub');
    const pubsub = new PubSub({ projectId: service.projectId });
    t.onTestFinished(() => pubsub.close());
    const [found] = await pubsub.subscription('caliban-stop').getMetadata();
    t.expect(found).toMatchObject({
      ackDeadlineSeconds: 600,
      pushConfig: {
        pushEndpoint: 'https://elsewhere.example/internal/stop',
        oidcToken: { serviceAccountEmail: EMAIL, audience: AUDIENCE },
      },
      retryPolicy: { minimumBackoff: { seconds: '10' }, maximumBackoff: { seconds: '600' } },
      deadLetterPolicy: { maxDeliveryAttempts: 50 },
      messageRetentionDuration: { seconds: '604800' },
    });
    const [all] = await pubsub.getSubscriptions();
    t.expect(all.map(({ name }) => name.split('/').at(-1)).toSorted()).toEqual(
      ['dead', 'drain', 'expand', 'image', 'stop', 'verify'].map((kind) => `caliban-${kind}`),
    );
  });

  test('a topic that is not there, or a server that is away, is UNAVAILABLE in time', async (t) => {
    const queue = createPubSubQueue({
      projectId: 'nobody',
      topicPrefix: 'none',
      endpoint: null,
      deadlineMs: 2_000,
    });
    t.onTestFinished(() => queue.close());
    await t.expect(queue.publish([STOP])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    vi.stubEnv('PUBSUB_EMULATOR_HOST', '127.0.0.1:1');
    const away = createPubSubQueue({
      projectId: 'nobody',
      topicPrefix: 'none',
      endpoint: null,
      deadlineMs: 1_000,
    });
    t.onTestFinished(() => away.close());
    const before = performance.now();
    await t.expect(away.publish([STOP])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    vi.stubEnv('PUBSUB_EMULATOR_HOST', emulator.host);
    t.expect(performance.now() - before).toBeLessThan(10_000);
  });
});

interface OpenOptions {
  readonly relay?: Partial<RelayOptions>;
  readonly handle?: (message: Message) => Promise<void>;
}

let projects = 0;

interface Service {
  readonly projectId: string;
  readonly endpoint: null;
  readonly queue: ReturnType<typeof createPubSubQueue>;
  readonly dead: ReturnType<typeof createPubSubDeadLetters>;
  readonly relay: PushRelay;
  readonly handled: Message[];
  handledAtLeast(count: number): Promise<void>;
  close(): Promise<void>;
}

// A project of its own, with a worker that the emulator pushes to by way of the relay.
async function openService(oidc: OidcDouble, options: OpenOptions): Promise<Service> {
  const handled: Message[] = [];
  const worker = createWorker({
    deps: coreDeps(),
    caller: createOidcCaller({
      issuer: oidc.issuer,
      jwksUri: null,
      audience: AUDIENCE,
      emails: [EMAIL],
      fetch,
      clock: systemClock,
    }),
    handle: async (message) => {
      handled.push(message);
      await options.handle?.(message);
    },
    deadlineMs: 60_000,
  });
  const server = await serveHttp(
    getRequestListener(worker.fetch, { overrideGlobalObjects: false }),
  );
  // As Google does, one token is used for many pushes.
  const token = await oidc.idToken({ aud: AUDIENCE, email: EMAIL });
  const relay = await startPushRelay({
    target: `http://127.0.0.1:${server.port}`,
    authorization: async () => `Bearer ${token}`,
    ...options.relay,
  });
  const settings = { projectId: `project-${++projects}`, topicPrefix: 'caliban', endpoint: null };
  await provisionPubSub(settings, quick(relay.url));
  const queue = createPubSubQueue(settings);
  const dead = createPubSubDeadLetters({ ...settings, clock: systemClock, pullMs: 500 });
  return {
    ...settings,
    queue,
    dead,
    relay,
    handled,
    handledAtLeast: (count) =>
      vi.waitFor(
        () => {
          if (handled.length < count) throw new Error(`${handled.length} of ${count} came`);
        },
        // As long as the longest test has.
        { timeout: 110_000, interval: 20 },
      ),
    async close() {
      await Promise.all([queue.close(), dead.close(), relay.close(), server.close()]);
    },
  };
}

// The emulator retries each second whatever is asked; giving up early saves the rest.
function quick(base: string): PubSubTopology {
  const plan = pubSubTopology({
    topicPrefix: 'caliban',
    base,
    serviceAccount: EMAIL,
    audience: AUDIENCE,
  });
  return {
    ...plan,
    subscriptions: plan.subscriptions.map((each) => ({
      ...each,
      push:
        each.push === null
          ? null
          : { ...each.push, maxDeliveryAttempts: FEW_ATTEMPTS, minBackoffSeconds: 0 },
    })),
  };
}
