import { describe, test } from 'vitest';
import { countsIdOf } from '../../../../functions/core/counts.ts';
import { getOne } from '../../../../functions/core/records.ts';
import { syncLanes } from '../../../../functions/core/tick-lanes.ts';
import type { Platform } from '../../../../functions/ports/platform.ts';
import { aLane, anObservation } from '../../../doubles/builders.ts';
import { jobNow, saved } from '../../../doubles/store-access.ts';
import { withJobs } from '../../../fixtures/lane-sync.ts';

const MINUTE = 60_000;
const calm = { everyMs: MINUTE, signal: new AbortController().signal };

describe('syncLanes', () => {
  test('moves what its platform says, counts the group anew and wakes the drainer', async ({
    expect,
  }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED', exitCode: 0 })];
    await syncLanes(deps, calm);
    const job = await jobNow(deps);
    expect(job.state).toBe('SUCCEEDED');
    const counts = await getOne(deps, 'counts', countsIdOf({ kind: 'group', id: job.groupId }));
    expect(counts?.value.byState).toMatchObject({ SUCCEEDED: 1, RUNNING: 0 });
    expect(deps.queue.take()).toEqual([{ kind: 'drain', lane: job.lane }]);
  });

  test('one lane that cannot be compared keeps no other from it, and is told', async ({
    expect,
  }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    await saved(deps, 'lanes', aLane({ id: 'another', platform: 'gke', createdAt: 0 }));
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    const away: Platform = {
      ...deps.platform,
      kind: 'gke',
      list: () => Promise.reject(new Error('the cluster is away')),
    };
    const platforms = new Map([...deps.platforms, ['gke', away] as const]);
    await expect(syncLanes({ ...deps, platforms }, calm)).rejects.toThrow('the cluster is away');
    expect((await jobNow(deps)).state).toBe('SUCCEEDED');
    expect(deps.logged).toEqual(['sync failed']);
  });

  test('every fifth minute it also looks for jobs that no list shows', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    await deps.clock.advance(4 * MINUTE - (deps.clock.now() % (5 * MINUTE)) + 5 * MINUTE);
    await syncLanes(deps, calm);
    expect((await jobNow(deps)).state).toBe('RUNNING');
    await deps.clock.advance(MINUTE);
    await syncLanes(deps, calm);
    expect((await jobNow(deps)).state).toBe('UNKNOWN');
  });

  test('a host that ends breaks it off', async ({ expect }) => {
    const deps = await withJobs();
    const signal = AbortSignal.abort(new Error('the host ends'));
    await expect(syncLanes(deps, { ...calm, signal })).rejects.toThrow('the host ends');
  });
});
