import { describe, test } from 'vitest';
import { isLegalMove, JOB_STATES } from '../../../../shared/jobs/job-state.ts';
import { aJob, aLane, anObservation, coreDeps, LANE, START } from '../../../doubles/builders.ts';
import {
  beforeCommit,
  changed,
  jobNow,
  jobsNow,
  saved,
  writesTo,
} from '../../../doubles/store-access.ts';

import { countingReads, SEEN, sync, withJobs } from '../../../fixtures/lane-sync.ts';

describe('sync', () => {
  for (const from of JOB_STATES.filter((state) => state !== 'QUEUED' && state !== 'SUBMITTING')) {
    test(`${from}: each observation moves the job exactly when the table allows it`, async ({
      expect,
    }) => {
      for (const state of SEEN) {
        const deps = await withJobs({ state: from, ref: 'ref-1' });
        deps.platform.observations = [anObservation({ state })];
        await sync(deps);
        const expected = isLegalMove(from, state) ? state : from;
        expect((await jobNow(deps)).state, `${from} seen ${state}`).toBe(expected);
      }
    });
  }

  test('tells what the platform told: instants, exit status, cause', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1', startedAt: START });
    const cause = { code: 'exit-code', message: 'Exit code 3.' } as const;
    deps.platform.observations = [
      anObservation({ state: 'FAILED', finishedAt: START + 7, exitCode: 3, cause }),
    ];
    await deps.clock.advance(60_000);
    await sync(deps);
    expect(await jobNow(deps)).toMatchObject({
      state: 'FAILED',
      startedAt: START,
      finishedAt: START + 7,
      exitCode: 3,
      cause,
    });
  });

  test('a job that is not known by its name yet is left to its drainer', async ({ expect }) => {
    for (const state of ['QUEUED', 'SUBMITTING'] as const) {
      const deps = await withJobs({ state });
      deps.platform.observations = [anObservation({ state: 'RUNNING' })];
      expect((await sync(deps)).moved).toBe(0);
      expect([(await jobNow(deps)).state, deps.platform.cancelled]).toEqual([state, []]);
    }
  });

  test('a job nobody knows is left alone', async ({ expect }) => {
    const deps = await withJobs();
    deps.platform.observations = [anObservation({ jobId: 'foreign-0' })];
    expect((await sync(deps)).moved).toBe(0);
    expect(deps.platform.cancelled).toEqual([]);
  });

  test('a second platform job is ended and named in the history', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ ref: 'ref-2' })];
    await sync(deps);
    const job = await jobNow(deps);
    expect(deps.platform.cancelled).toEqual(['ref-2']);
    expect(job.state).toBe('RUNNING');
    expect(job.history.at(-1)?.cause.message).toMatch(/ref-2.*ref-1.*cancelled/);
  });

  test('a second platform job that takes its time to end is named once', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ ref: 'ref-2' })];
    for (let pass = 0; pass < 60; pass++) await sync(deps);
    expect(deps.platform.cancelled).toHaveLength(60);
    expect((await jobNow(deps)).history).toHaveLength(2);
  });

  test('a second one of a job that has ended is ended too, and named; its end changes nothing else', async ({
    expect,
  }) => {
    const deps = await withJobs({ state: 'SUCCEEDED', ref: 'ref-1' });
    const before = await jobNow(deps);
    deps.platform.observations = [
      anObservation({ ref: 'ref-2' }),
      anObservation({ ref: 'ref-3', state: 'STOPPED' }),
    ];
    for (let pass = 0; pass < 3; pass++) await sync(deps);
    expect(new Set(deps.platform.cancelled)).toEqual(new Set(['ref-2']));
    const { history, ...after } = await jobNow(deps);
    expect(after).toMatchObject({ state: 'SUCCEEDED', cause: before.cause, ref: 'ref-1' });
    const notes = history.slice(before.history.length).map(({ cause }) => cause.message);
    expect(notes).toEqual([
      'A second platform job ref-2 of attempt 1 appeared beside ref-1; it was cancelled.',
      'A second platform job ref-3 of attempt 1 appeared beside ref-1; it ended as STOPPED.',
    ]);
  });

  test('asks again for the end of what is to stop, and of what lives though we hold it as ended', async ({
    expect,
  }) => {
    const deps = await withJobs(
      { index: 0, state: 'RUNNING', ref: 'ref-0', stopRequestedAt: START },
      { index: 1, state: 'FAILED', ref: 'ref-1' },
      { index: 2, state: 'RUNNING', ref: 'ref-2' },
    );
    deps.platform.observations = [0, 1, 2].map((index) =>
      anObservation({ jobId: `submission-${index}`, ref: `ref-${index}` }),
    );
    await sync(deps);
    await sync(deps);
    expect(deps.platform.cancelled).toEqual(['ref-0', 'ref-1', 'ref-0', 'ref-1']);
  });

  test('a cancel that fails does not end the pass', async ({ expect }) => {
    const deps = await withJobs(
      { index: 0, state: 'RUNNING', ref: 'ref-0', stopRequestedAt: START },
      { index: 1, state: 'SUBMITTED', ref: 'ref-1' },
    );
    deps.platform.onCancel = () => Promise.reject(new Error('unavailable'));
    deps.platform.observations = [0, 1].map((index) =>
      anObservation({ jobId: `submission-${index}`, ref: `ref-${index}` }),
    );
    await sync(deps);
    expect((await jobNow(deps, 'submission-1')).state).toBe('RUNNING');
  });

  test('reads every page of the list', async ({ expect }) => {
    const deps = coreDeps();
    await saved(deps, 'lanes', aLane());
    for (let index = 0; index < 25; index++) {
      await saved(deps, 'jobs', aJob({ index, state: 'SUBMITTED', ref: `ref-${index}` }));
      deps.platform.observations.push(
        anObservation({ jobId: `submission-${index}`, ref: `ref-${index}` }),
      );
    }
    deps.platform.pageSize = 10;
    expect((await sync(deps)).moved).toBe(25);
    expect(deps.platform.listed.map(({ cursor }) => cursor)).toEqual([null, '10', '20']);
    expect((await jobsNow(deps)).every(({ state }) => state === 'RUNNING')).toBe(true);
  });

  test('the newest of several observations of a job in one list wins', async ({ expect }) => {
    const deps = await withJobs({ state: 'SUBMITTED', ref: 'ref-1' });
    deps.platform.observations = [anObservation(), anObservation({ state: 'SUCCEEDED' })];
    await sync(deps);
    const { history, state } = await jobNow(deps);
    expect([state, history.map(({ to }) => to)]).toEqual([
      'SUCCEEDED',
      ['QUEUED', 'RUNNING', 'SUCCEEDED'],
    ]);
  });

  test('asks for what changed since the last pass, less lag and skew', async ({ expect }) => {
    const deps = await withJobs();
    await sync(deps);
    await deps.clock.advance(60_000);
    await sync(deps);
    expect(deps.platform.listed.map(({ since }) => since)).toEqual([
      0,
      START - deps.platform.listLagMs - deps.timing.skewMs,
    ]);
  });

  test('a pass that broke off is made again from where the last good one began', async ({
    expect,
  }) => {
    const deps = await withJobs({ state: 'SUBMITTED', ref: 'ref-1' });
    deps.platform.observations = [anObservation()];
    const store = {
      ...deps.store,
      get: (keys: readonly { collection: string }[]) =>
        keys[0]?.collection === 'jobs'
          ? Promise.reject(new Error('unavailable'))
          : deps.store.get(keys as never),
    } as typeof deps.store;
    await expect(sync({ ...deps, store })).rejects.toThrow('unavailable');
    await sync(deps);
    expect(deps.platform.listed.map(({ since }) => since)).toEqual([0, 0]);
    expect((await jobNow(deps)).state).toBe('RUNNING');
  });

  test('a job that changed meanwhile is read again and moved all the same', async ({ expect }) => {
    const deps = await withJobs(
      { index: 0, state: 'SUBMITTED', ref: 'ref-0' },
      { index: 1, state: 'SUBMITTED', ref: 'ref-1' },
    );
    deps.platform.observations = [0, 1].map((index) =>
      anObservation({ jobId: `submission-${index}`, ref: `ref-${index}` }),
    );
    const store = beforeCommit(deps.store, writesTo('jobs'), async () => {
      await saved(deps, 'jobs', { ...(await jobNow(deps)), stopRequestedAt: START });
    });
    await sync({ ...deps, store });
    expect(await jobsNow(deps)).toMatchObject([
      { state: 'RUNNING', stopRequestedAt: START },
      { state: 'RUNNING' },
    ]);
  });

  test('says which groups had moves', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1', groupId: 'g7' });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    expect((await sync(deps)).groups).toEqual(new Set(['g7']));
  });

  test('a lane that is not there, or whose platform is not, has nothing to sync', async ({
    expect,
  }) => {
    const deps = coreDeps();
    expect((await sync(deps)).moved).toBe(0);
    await saved(deps, 'lanes', aLane({ platform: 'vertex' }));
    expect((await sync(deps)).moved).toBe(0);
    expect(deps.platform.listed).toEqual([]);
  });
});

describe('sync wakes the drainer', () => {
  test('in the commit that frees a place', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    await sync(deps);
    expect(deps.queue.take()).toEqual([{ kind: 'drain', lane: LANE }]);
    const commit = deps.commits.find(writesTo('outbox')) ?? [];
    expect(commit.map(({ key }) => key.collection).sort()).toEqual(['jobs', 'outbox']);
  });

  test('not when no place came free', async ({ expect }) => {
    const deps = await withJobs({ state: 'SUBMITTED', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ state: 'RUNNING' })];
    await sync(deps);
    expect(deps.queue.take()).toEqual([]);
  });

  test('not when the caller does it', async ({ expect }) => {
    const deps = await withJobs({ state: 'RUNNING', ref: 'ref-1' });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    expect((await sync(deps, { wake: 'caller' })).moved).toBe(1);
    expect(deps.queue.take()).toEqual([]);
  });
});

describe('from pass to pass', () => {
  test('what has ended, as we hold it, is read once', async ({ expect }) => {
    const deps = await withJobs(
      { index: 0, state: 'RUNNING', ref: 'ref-0' },
      { index: 1, state: 'FAILED', ref: 'ref-1' },
      { index: 2, state: 'RUNNING', ref: 'ref-2' },
    );
    deps.platform.observations = [
      anObservation({ jobId: 'submission-0', ref: 'ref-0', state: 'SUCCEEDED' }),
      anObservation({ jobId: 'submission-1', ref: 'ref-1', state: 'FAILED' }),
      anObservation({ jobId: 'submission-2', ref: 'ref-2', state: 'RUNNING' }),
    ];
    const { read, store } = countingReads(deps);
    const first = await sync({ ...deps, store });
    expect([first.moved, first.settled]).toEqual([1, new Set(['ref-0', 'ref-1'])]);
    read.length = 0;
    const second = await sync({ ...deps, store }, { settled: first.settled });
    expect([second.moved, second.settled, read]).toEqual([0, first.settled, ['submission-2']]);
    deps.platform.observations = [];
    expect((await sync(deps, { settled: second.settled })).settled).toEqual(new Set());
  });

  test('what ended before its drainer said so is looked at again', async ({ expect }) => {
    const deps = await withJobs({ state: 'SUBMITTING' });
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    const { settled } = await sync(deps);
    await changed(
      deps,
      { collection: 'jobs', id: 'submission-0' },
      { state: 'SUBMITTED', ref: 'ref-1' },
    );
    await sync(deps, { settled });
    expect((await jobNow(deps)).state).toBe('SUCCEEDED');
  });
});
