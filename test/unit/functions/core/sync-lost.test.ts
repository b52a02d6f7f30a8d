import { describe, test } from 'vitest';
import { anObservation, LANE, START } from '../../../doubles/builders.ts';
import { jobNow, stored } from '../../../doubles/store-access.ts';

import { DAY, silentList, sync, withJobs, withLostJob } from '../../../fixtures/lane-sync.ts';

describe('jobs that the platform lost', () => {
  test('are UNKNOWN once they were not seen for two minutes and the lag, not before', async ({
    expect,
  }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    await deps.clock.advance(120_000 + 5_000 - 1);
    await sync(deps, { full: true });
    expect((await jobNow(deps)).state).toBe('RUNNING');
    await deps.clock.advance(1);
    await sync(deps, { full: true });
    expect(await jobNow(deps)).toMatchObject({
      state: 'UNKNOWN',
      live: true,
      active: true,
      missedAt: START + 125_000,
      cause: { code: 'lost' },
    });
  });

  test('are only looked for by a full pass', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    await deps.clock.advance(DAY);
    await sync(deps);
    expect((await jobNow(deps)).state).toBe('RUNNING');
  });

  test('are not lost when the platform finds them by id, though its list is silent', async ({
    expect,
  }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    await deps.clock.advance(DAY);
    silentList(deps, anObservation({ state: 'SUCCEEDED' }));
    await sync(deps, { full: true });
    expect((await jobNow(deps)).state).toBe('SUCCEEDED');
  });

  test('are left to the next pass when their look-up fails, and keep it from no other', async ({
    expect,
  }) => {
    const deps = await withJobs(
      { id: 'submission-0', state: 'RUNNING', ref: 'ref-0' },
      { id: 'submission-1', index: 1, state: 'RUNNING', ref: 'ref-1' },
    );
    await deps.clock.advance(DAY);
    deps.platform.list = async () => ({ items: [], next: null });
    deps.platform.find = async (jobId) => {
      if (jobId === 'submission-0') throw new Error('unreadable');
      return [];
    };
    await sync(deps, { full: true });
    expect((await jobNow(deps, 'submission-0')).state).toBe('RUNNING');
    expect((await jobNow(deps, 'submission-1')).state).toBe('UNKNOWN');
    expect((await stored(deps, 'syncs', LANE)).value.syncedAt).toBe(deps.clock.now());
  });

  test('move again when they are seen again', async ({ expect }) => {
    const deps = await withLostJob();
    deps.platform.observations = [anObservation({ state: 'RUNNING' })];
    await sync(deps);
    const job = await jobNow(deps);
    expect(job).toMatchObject({ state: 'RUNNING', missedAt: null });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    await sync(deps);
    expect((await jobNow(deps)).state).toBe('SUCCEEDED');
  });

  test('are FAILED after seven days, not before', async ({ expect }) => {
    const deps = await withLostJob();
    await deps.clock.advance(7 * DAY - 1);
    await sync(deps, { full: true });
    expect((await jobNow(deps)).state).toBe('UNKNOWN');
    await deps.clock.advance(1);
    await sync(deps, { full: true });
    expect(await jobNow(deps)).toMatchObject({
      state: 'FAILED',
      cause: { code: 'lost', message: 'Lost by the platform: not seen for 7 days.' },
    });
  });

  test('count as moves, and the place that comes free wakes the drainer', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    await deps.clock.advance(125_000);
    const lost = await sync(deps, { full: true });
    expect([lost.moved, lost.groups, deps.queue.take()]).toEqual([1, new Set(['group']), []]);
    await deps.clock.advance(7 * DAY);
    expect((await sync(deps, { full: true })).moved).toBe(1);
    expect(deps.queue.take()).toEqual([{ kind: 'drain', lane: LANE }]);
  });

  test('a job that was never on its platform is not looked for', async ({ expect }) => {
    const deps = await withJobs({ state: 'SUBMITTING' });
    await deps.clock.advance(DAY);
    await sync(deps, { full: true });
    expect((await jobNow(deps)).state).toBe('SUBMITTING');
  });
});
