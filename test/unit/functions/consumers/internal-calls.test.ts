import type { Hono } from 'hono';
import { describe, test } from 'vitest';
import { createBuildEvents } from '../../../../functions/consumers/build-events.ts';
import { createTick } from '../../../../functions/consumers/tick-routes.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import {
  aLane,
  anObservation,
  aSubmission,
  coreDeps,
  START,
  type TestDeps,
} from '../../../doubles/builders.ts';
import { jobNow, saved } from '../../../doubles/store-access.ts';
import { withJobs } from '../../../fixtures/lane-sync.ts';

const MINUTE = 60_000;
const OURS = 'Bearer ours';

async function caller(authorization: string | undefined): Promise<void> {
  if (authorization === OURS) return;
  throw new AppError('UNAUTHENTICATED', 'Not ours.');
}

function tickOf(deps: TestDeps, sweeps: number[] = []): Hono {
  return createTick({
    ...{ deps, caller, deadlineMs: 170_000, everyMs: MINUTE },
    depsUntil: () => deps,
    sweepUploads: async (now) => sweeps.push(now),
  });
}

function eventsOf(deps: TestDeps): Hono {
  return createBuildEvents({ deps, caller, deadlineMs: 30_000, depsUntil: () => deps });
}

const post = (app: Hono, path: string, sent: { body?: unknown; as?: string } = {}) =>
  app.request(path, {
    method: 'POST',
    headers: { authorization: sent.as ?? OURS, 'content-type': 'application/json' },
    body: JSON.stringify(sent.body ?? {}),
  });

const built = (status: string, tags: unknown = ['caliban', 'key-k']) => ({
  subscription: 'projects/p/subscriptions/builds',
  message: {
    data: Buffer.from(JSON.stringify({ id: 'b', status, tags })).toString('base64'),
    messageId: '1',
    attributes: { buildId: 'b', status },
  },
});

async function waitingForImage(): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'submissions', aSubmission({ imageState: 'waiting', run: null }));
  return deps;
}

describe('tick', () => {
  test('nobody else can call it', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    const refused = await post(tickOf(deps), '/internal/tick', { as: 'Bearer theirs' });
    expect([refused.status, (await jobNow(deps)).state]).toEqual([401, 'RUNNING']);
    expect(await refused.json()).toMatchObject({ error: { code: 'UNAUTHENTICATED' } });
  });

  test('compares lanes with their platforms', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    expect((await post(tickOf(deps), '/internal/tick')).status).toBe(204);
    expect((await jobNow(deps)).state).toBe('SUCCEEDED');
  });

  test('a part that fails keeps no other from being done, and makes it be called again', async ({
    expect,
  }) => {
    const deps = await waitingForImage();
    await saved(deps, 'lanes', aLane({ platform: 'gke' }));
    deps.platform.list = () => Promise.reject(new Error('away'));
    const platforms = new Map([['gke', { ...deps.platform, kind: 'gke' }]] as const);
    await deps.clock.advance(2 * MINUTE);
    const answer = await post(tickOf({ ...deps, platforms }), '/internal/tick');
    expect(answer.status).toBe(503);
    expect(deps.queue.take()).toEqual([{ kind: 'image', submissionId: 'submission' }]);
  });

  test('uploads are swept once an hour', async ({ expect }) => {
    const deps = coreDeps();
    const sweeps: number[] = [];
    const app = tickOf(deps, sweeps);
    await deps.clock.advance(3_600_000 - (START % 3_600_000) - MINUTE / 2);
    for (let minute = 0; minute < 61; minute++) {
      await post(app, '/internal/tick');
      await deps.clock.advance(MINUTE);
    }
    expect(sweeps).toHaveLength(1);
  });
});

describe('build events', () => {
  test('a build that ended lets submissions that wait for their image look again', async ({
    expect,
  }) => {
    for (const status of ['SUCCESS', 'FAILURE', 'TIMEOUT', 'CANCELLED']) {
      const deps = await waitingForImage();
      expect(
        (await post(eventsOf(deps), '/internal/build-events', { body: built(status) })).status,
      ).toBe(204);
      expect(deps.queue.take()).toEqual([{ kind: 'image', submissionId: 'submission' }]);
    }
  });

  test('what is no end of a build is acknowledged and forgotten', async ({ expect }) => {
    const deps = await waitingForImage();
    for (const body of [
      built('WORKING'),
      built(''),
      built('SUCCESS', ['somebody-elses']),
      built('SUCCESS', null),
      built('SUCCESS', 3),
      {},
      null,
      { message: 3 },
    ]) {
      expect((await post(eventsOf(deps), '/internal/build-events', { body })).status).toBe(204);
    }
    expect(deps.queue.take()).toEqual([]);
  });

  test('nobody else can send one', async ({ expect }) => {
    const deps = await waitingForImage();
    const refused = await post(eventsOf(deps), '/internal/build-events', {
      body: built('SUCCESS'),
      as: 'Bearer x',
    });
    expect([refused.status, deps.queue.take()]).toEqual([401, []]);
  });
});
