import { describe, test } from 'vitest';
import { accept } from '../../../../functions/core/accept.ts';
import { countsAsNewAsJobs, countsOf } from '../../../../functions/core/counts.ts';
import { groupIdOf } from '../../../../functions/core/ids.ts';
import { readSubmission } from '../../../../functions/core/read-submissions.ts';
import type { Store } from '../../../../functions/ports/store.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { aSpec } from '../../../doubles/a-spec.ts';
import {
  aJob,
  aPrincipal,
  aSubmission,
  coreDeps,
  type TestDeps,
} from '../../../doubles/builders.ts';
import { beforeCommit, changed, saved, writesTo } from '../../../doubles/store-access.ts';

const groupId = groupIdOf('ada', 'sweep');
const scope = { kind: 'group', id: groupId } as const;

describe('counts by state', () => {
  test('are what is there', async ({ expect }) => {
    const deps = await withJobs('QUEUED', 'RUNNING', 'RUNNING', 'FAILED');
    expect((await countsOf(deps, scope)).byState).toMatchObject({
      QUEUED: 1,
      RUNNING: 2,
      FAILED: 1,
      SUCCEEDED: 0,
    });
  });

  test('are not settled by a job that moves while states are counted', async ({ expect }) => {
    const deps = await withJobs('SUBMITTING', 'SUCCEEDED');
    const late: Store['count'] = async (query, params) => {
      const isBefore = 'state' in params && params.state === 'SUBMITTED';
      if ('state' in params && params.state === 'SUBMITTING') {
        await saved(deps, 'jobs', aJob({ groupId, state: 'SUBMITTED' }));
      }
      return isBefore ? 0 : deps.store.count(query, params);
    };
    const counts = await countsOf({ ...deps, store: { ...deps.store, count: late } }, scope);
    expect(counts).toMatchObject({ settled: false, byState: { SUCCEEDED: 1 } });
  });

  test('are kept for two seconds, and computed again after that', async ({ expect }) => {
    const deps = await withJobs('RUNNING');
    await countsOf(deps, scope);
    await addJob(deps, 1);
    await deps.clock.advance(1_999);
    expect((await countsOf(deps, scope)).byState.QUEUED).toBe(0);
    await deps.clock.advance(1);
    expect((await countsOf(deps, scope)).byState.QUEUED).toBe(1);
  });

  test('of one group are as new as its jobs, also right after a change', async ({ expect }) => {
    const deps = await withJobs('RUNNING', 'QUEUED');
    await countsAsNewAsJobs(deps, groupId);
    for (const state of ['SUCCEEDED', 'STOPPED'] as const) {
      await saved(deps, 'jobs', aJob({ groupId, state }));
      await deps.clock.advance(1);
      const { byState } = await countsAsNewAsJobs(deps, groupId);
      expect([byState.RUNNING, byState[state]]).toEqual([0, 1]);
    }
  });

  test('of one group are kept while nothing changes', async ({ expect }) => {
    const deps = await withJobs('RUNNING');
    await deps.clock.advance(deps.timing.skewMs + 100);
    await countsAsNewAsJobs(deps, groupId);
    await deps.clock.advance(deps.timing.countsMs - 1);
    await countsAsNewAsJobs(deps, groupId);
    expect(deps.commits.filter(writesTo('counts'))).toHaveLength(1);
  });

  test('are settled once nothing lives and all is expanded, and never computed again', async ({
    expect,
  }) => {
    const deps = await withJobs('SUCCEEDED', 'FAILED');
    const settled = await countsOf(deps, scope);
    expect(settled.settled).toBe(true);
    await deps.clock.advance(3_600_000);
    expect(await countsOf(deps, scope)).toEqual(settled);
    expect(deps.commits.filter(writesTo('counts'))).toHaveLength(1);
  });

  test('are not settled while a job lives', async ({ expect }) => {
    for (const state of ['QUEUED', 'SUBMITTING', 'SUBMITTED', 'RUNNING', 'UNKNOWN'] as const) {
      const deps = await withJobs('SUCCEEDED', state);
      expect((await countsOf(deps, scope)).settled, state).toBe(false);
    }
  });

  test('are not settled while a submission of the group is still being expanded', async ({
    expect,
  }) => {
    const deps = await withJobs('SUCCEEDED');
    await changed(deps, { collection: 'submissions', id: 'submission' }, { expanded: false });
    expect((await countsOf(deps, scope)).settled).toBe(false);
  });

  test('of a submission are its own', async ({ expect }) => {
    const deps = await withJobs('SUCCEEDED');
    await saved(deps, 'jobs', aJob({ submissionId: 'other', groupId }));
    const counts = await countsOf(deps, { kind: 'submission', doc: aSubmission() });
    expect([counts.byState.SUCCEEDED, counts.byState.QUEUED, counts.settled]).toEqual([1, 0, true]);
  });

  test('of a group are as young as those of its submission that is told to be over', async ({
    expect,
  }) => {
    const deps = await withJobs('RUNNING');
    await countsOf(deps, scope);
    await deps.clock.advance(100);
    await saved(deps, 'jobs', aJob({ groupId, state: 'SUCCEEDED' }));
    expect((await readSubmission(deps, 'submission')).done).toBe(true);
    const { byState } = await countsOf(deps, scope);
    expect([byState.RUNNING, byState.SUCCEEDED]).toEqual([0, 1]);
  });

  test('an acceptance in the group ends settled counts', async ({ expect }) => {
    const deps = await withJobs('SUCCEEDED');
    await countsOf(deps, scope);
    await submit(deps);
    const counts = await countsOf(deps, scope);
    expect([counts.byState.SUCCEEDED, counts.settled]).toEqual([1, false]);
  });

  test('an acceptance during a recount is not overwritten by it', async ({ expect }) => {
    const deps = await withJobs('SUCCEEDED');
    await countsWhileAccepted(deps);
    expect((await countsOf(deps, scope)).settled).toBe(false);
  });

  test('nor is one that comes while old counts are replaced', async ({ expect }) => {
    const deps = await withJobs('RUNNING');
    await countsOf(deps, scope);
    await saved(deps, 'jobs', aJob({ groupId, state: 'SUCCEEDED' }));
    await deps.clock.advance(deps.timing.countsMs);
    await countsWhileAccepted(deps);
    expect((await countsOf(deps, scope)).settled).toBe(false);
  });

  test('a recount that loses to an acceptance tells what it counted, not nothing', async ({
    expect,
  }) => {
    const deps = await withJobs('SUCCEEDED', 'RUNNING');
    const { byState, settled } = await countsWhileAccepted(deps);
    expect([byState.SUCCEEDED, byState.RUNNING, settled]).toEqual([1, 1, false]);
  });

  test('a reader waits for no turn to write: it tells what it counted, and nobody keeps it', async ({
    expect,
  }) => {
    const deps = await withJobs('SUCCEEDED');
    const never = new Promise<never>(() => undefined);
    const commit: Store['commit'] = (_writes, patience) =>
      patience === 'now-or-never' ? Promise.reject(new AppError('STORE_BUSY', 'locked')) : never;
    const locked = { ...deps, store: { ...deps.store, commit } };
    const { byState, settled } = await countsOf(locked, scope);
    expect([byState.SUCCEEDED, settled]).toEqual([1, false]);
    expect(deps.commits.filter(writesTo('counts'))).toHaveLength(0);
  });

  test('are told although they cannot be kept: a read needs no room on a disk', async ({
    expect,
  }) => {
    for (const code of ['DISK_FULL', 'DATA_DIR_UNUSABLE', 'STORE_BUSY'] as const) {
      const deps = await withJobs('SUCCEEDED');
      const commit = () => Promise.reject(new AppError(code, 'no'));
      const counts = await countsOf({ ...deps, store: { ...deps.store, commit } }, scope);
      expect([counts.byState.SUCCEEDED, counts.settled]).toEqual([1, false]);
    }
  });

  test('of two that recount at once the loser uses the winner’s', async ({ expect }) => {
    const deps = await withJobs('RUNNING');
    let winner: unknown;
    const store = beforeCommit(deps.store, writesTo('counts'), async () => {
      await addJob(deps, 1);
      winner = await countsOf(deps, scope);
    });
    expect(await countsOf({ ...deps, store }, scope)).toEqual(winner);
  });
});

function countsWhileAccepted(deps: TestDeps) {
  const store = beforeCommit(deps.store, writesTo('counts'), () => submit(deps));
  return countsOf({ ...deps, store }, scope);
}

async function submit(deps: TestDeps): Promise<void> {
  await accept(deps, { principal: aPrincipal(), idempotencyKey: 'key', spec: aSpec() });
}

async function addJob(deps: TestDeps, index: number): Promise<void> {
  await saved(deps, 'jobs', aJob({ groupId, index }));
}

async function withJobs(...states: readonly ReturnType<typeof aJob>['state'][]): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'submissions', aSubmission({ groupId }));
  for (const [index, state] of states.entries())
    await saved(deps, 'jobs', aJob({ groupId, index, state }));
  return deps;
}
