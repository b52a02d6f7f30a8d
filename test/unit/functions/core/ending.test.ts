import { describe, test } from 'vitest';
import {
  endSubmission,
  requestEnding,
  stopEnding,
  stopJob,
} from '../../../../functions/core/ending.ts';
import { moved } from '../../../../functions/core/job-moves.ts';
import type { JobDoc, SubmissionDoc } from '../../../../functions/ports/documents.ts';
import { JOB_STATES } from '../../../../shared/jobs/job-state.ts';
import { aJob, aSubmission, coreDeps, START, type TestDeps } from '../../../doubles/builders.ts';
import {
  beforeCommit,
  jobNow,
  jobsNow,
  saved,
  submissionNow,
  waitingMessages,
  writesTo,
} from '../../../doubles/store-access.ts';

const FAILED = {
  state: 'FAILED',
  cause: { code: 'image-failed', message: 'No torch 99.' },
} as const;

describe('asking for the end of a submission', () => {
  test('marks it, closes it for the drainer and sends one stop, in one commit', async ({
    expect,
  }) => {
    const deps = await withSubmission();
    await requestEnding(deps, 'submission', stopEnding());
    expect(await submissionNow(deps)).toMatchObject({
      ending: 'requested',
      endingState: 'STOPPED',
      stopRequestedAt: START,
      openLane: null,
    });
    expect(
      deps.commits.find(writesTo('outbox'))?.some(({ key }) => key.collection === 'submissions'),
    ).toBe(true);
    expect(deps.queue.take()).toEqual([{ kind: 'stop', submissionId: 'submission' }]);
  });

  test('asked again it changes nothing but sends its message again', async ({ expect }) => {
    const deps = await withSubmission();
    await requestEnding(deps, 'submission', stopEnding());
    const before = await submissionNow(deps);
    deps.queue.take();
    await deps.clock.advance(5_000);
    await requestEnding(deps, 'submission', stopEnding());
    expect(await submissionNow(deps)).toEqual(before);
    expect(deps.queue.take()).toEqual([{ kind: 'stop', submissionId: 'submission' }]);
  });

  test('a stop goes before a failure', async ({ expect }) => {
    const deps = await withSubmission();
    await requestEnding(deps, 'submission', FAILED);
    await requestEnding(deps, 'submission', stopEnding());
    expect(await submissionNow(deps)).toMatchObject({
      endingState: 'STOPPED',
      stopRequestedAt: START,
    });
  });

  test('is not lost to a race for the submission', async ({ expect }) => {
    const deps = await withSubmission({ expanded: false });
    const store = beforeCommit(deps.store, writesTo('submissions'), async () => {
      await saved(deps, 'submissions', aSubmission({ expanded: true }));
    });
    await requestEnding({ ...deps, store }, 'submission', stopEnding());
    expect(await submissionNow(deps)).toMatchObject({ ending: 'requested', expanded: true });
  });
});

describe('a pass towards the end', () => {
  test('stops what waits and asks the platform to end what runs', async ({ expect }) => {
    const deps = await stopping(
      { index: 0 },
      { index: 1, state: 'SUBMITTED', ref: 'ref-1' },
      { index: 2, state: 'RUNNING', ref: 'ref-2' },
      { index: 3, state: 'UNKNOWN', ref: 'ref-3' },
      { index: 4, state: 'SUCCEEDED', ref: 'ref-4' },
    );
    await endSubmission(deps, 'submission');
    expect((await jobsNow(deps)).map(({ state }) => state)).toEqual([
      'STOPPED',
      'SUBMITTED',
      'RUNNING',
      'UNKNOWN',
      'SUCCEEDED',
    ]);
    expect(deps.platform.cancelled).toEqual(['ref-1', 'ref-2', 'ref-3']);
    expect((await jobNow(deps, 'submission-2')).stopRequestedAt).toBe(START);
    expect((await jobNow(deps, 'submission-4')).stopRequestedAt).toBeNull();
  });

  test('is repeated after two seconds while a job lives, and done only when none does', async ({
    expect,
  }) => {
    const deps = await stopping({ state: 'RUNNING', ref: 'ref-1' });
    await endSubmission(deps, 'submission');
    expect((await submissionNow(deps)).ending).toBe('requested');
    expect(await waitingMessages(deps)).toEqual([
      {
        message: { kind: 'stop', submissionId: 'submission' },
        notBefore: START + deps.timing.stopRepeatMs,
      },
    ]);
    const cause = { code: 'platform', message: 'Ended.' } as const;
    const job = await jobNow(deps);
    await saved(deps, 'jobs', moved(job, { to: 'STOPPED', at: START, cause }));
    await endSubmission(deps, 'submission');
    expect(await submissionNow(deps)).toMatchObject({ ending: 'done', expanded: true });
    expect(await waitingMessages(deps)).toHaveLength(1);
  });

  test('ends hundreds, in commits a store takes', async ({ expect }) => {
    const deps = await stopping();
    for (let index = 0; index < 450; index++)
      await saved(deps, 'jobs', aJob({ index, state: index % 9 === 0 ? 'RUNNING' : 'QUEUED' }));
    const commitsBefore = deps.commits.length;
    await endSubmission(deps, 'submission');
    const jobs = await jobsNow(deps);
    expect(jobs.filter(({ state }) => state === 'STOPPED')).toHaveLength(400);
    expect(jobs.filter(({ stopRequestedAt }) => stopRequestedAt !== null)).toHaveLength(50);
    const sizes = deps.commits.slice(commitsBefore).map((writes) => writes.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
  });

  test('breaks off when the host ends, between two pages', async ({ expect }) => {
    const deps = await stopping();
    for (let index = 0; index < 201; index++) await saved(deps, 'jobs', aJob({ index }));
    const waitOnLane = () => Promise.reject(new Error('the service ends'));
    await expect(endSubmission({ ...deps, waitOnLane }, 'submission')).rejects.toThrow('ends');
    const states = (await jobsNow(deps)).map(({ state }) => state);
    expect(states.filter((state) => state === 'STOPPED')).toHaveLength(200);
    await endSubmission(deps, 'submission');
    expect((await jobsNow(deps)).every(({ state }) => state === 'STOPPED')).toBe(true);
  });

  test('a job that is claimed meanwhile is met by the next pass', async ({ expect }) => {
    const deps = await stopping({ index: 0 }, { index: 1 });
    const store = beforeCommit(deps.store, writesTo('jobs'), async () => {
      await saved(deps, 'jobs', aJob({ index: 1, state: 'SUBMITTED', ref: 'ref-1' }));
    });
    await endSubmission({ ...deps, store }, 'submission');
    expect((await submissionNow(deps)).ending).toBe('requested');
    await endSubmission(deps, 'submission');
    expect((await jobNow(deps, 'submission-0')).state).toBe('STOPPED');
    expect(deps.platform.cancelled).toEqual(['ref-1']);
  });

  test('goes on when the platform does not answer', async ({ expect }) => {
    const deps = await stopping(
      { index: 0, state: 'RUNNING', ref: 'ref-0' },
      { index: 1, state: 'RUNNING', ref: 'ref-1' },
    );
    deps.platform.onCancel = () => Promise.reject(new Error('unavailable'));
    await endSubmission(deps, 'submission');
    expect(deps.platform.cancelled).toEqual(['ref-0', 'ref-1']);
    expect(deps.logged).toHaveLength(2);
  });

  test('without a request it touches nothing', async ({ expect }) => {
    const deps = await withSubmission();
    await saved(deps, 'jobs', aJob());
    await endSubmission(deps, 'submission');
    expect((await jobNow(deps)).state).toBe('QUEUED');
  });

  test('jobs of a failed submission get its state and its cause', async ({ expect }) => {
    const deps = await withSubmission();
    await saved(deps, 'jobs', aJob());
    await requestEnding(deps, 'submission', FAILED);
    await endSubmission(deps, 'submission');
    expect(await jobNow(deps)).toMatchObject({ state: 'FAILED', cause: FAILED.cause });
    expect(await submissionNow(deps)).toMatchObject({ ending: 'done', imageState: 'failed' });
  });

  test('a failed submission is over only when all its jobs are there', async ({ expect }) => {
    const deps = await withSubmission({ expanded: false });
    await requestEnding(deps, 'submission', FAILED);
    await endSubmission(deps, 'submission');
    expect((await submissionNow(deps)).ending).toBe('requested');
    await saved(deps, 'submissions', { ...(await submissionNow(deps)), expanded: true });
    await endSubmission(deps, 'submission');
    expect((await submissionNow(deps)).ending).toBe('done');
  });

  test('a stopped one is over at once, and will not be expanded any more', async ({ expect }) => {
    const deps = await withSubmission({ expanded: false });
    await requestEnding(deps, 'submission', stopEnding());
    await endSubmission(deps, 'submission');
    expect(await submissionNow(deps)).toMatchObject({ ending: 'done', expanded: true });
  });
});

describe('stopping one job', () => {
  test('one that waits is STOPPED at once', async ({ expect }) => {
    const deps = await withSubmission();
    await saved(deps, 'jobs', aJob());
    expect(await stopJob(deps, 'submission-0')).toMatchObject({
      state: 'STOPPED',
      live: false,
      cause: { code: 'stop-requested' },
    });
  });

  test('one that is with its platform is marked and asked to end', async ({ expect }) => {
    const deps = await withSubmission();
    await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: 'ref-1' }));
    expect(await stopJob(deps, 'submission-0')).toMatchObject({
      state: 'RUNNING',
      stopRequestedAt: START,
    });
    expect(deps.platform.cancelled).toEqual(['ref-1']);
  });

  test('one that has ended stays as it is', async ({ expect }) => {
    for (const state of JOB_STATES.slice(-3)) {
      const deps = await withSubmission();
      await saved(deps, 'jobs', aJob({ state }));
      expect(await stopJob(deps, 'submission-0')).toMatchObject({ state, stopRequestedAt: null });
    }
  });

  test('one that a drainer claims meanwhile is marked, so that it ends on its platform', async ({
    expect,
  }) => {
    const deps = await withSubmission();
    await saved(deps, 'jobs', aJob());
    const store = beforeCommit(deps.store, writesTo('jobs'), async () => {
      await saved(deps, 'jobs', aJob({ state: 'SUBMITTING' }));
    });
    expect(await stopJob({ ...deps, store }, 'submission-0')).toMatchObject({
      state: 'SUBMITTING',
      stopRequestedAt: START,
    });
  });

  test('one that starts meanwhile is marked and asked to end all the same', async ({ expect }) => {
    const deps = await withSubmission();
    await saved(deps, 'jobs', aJob({ state: 'SUBMITTED', ref: 'ref-1' }));
    const store = beforeCommit(deps.store, writesTo('jobs'), async () => {
      await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: 'ref-1' }));
    });
    expect(await stopJob({ ...deps, store }, 'submission-0')).toMatchObject({
      state: 'RUNNING',
      stopRequestedAt: START,
    });
    expect(deps.platform.cancelled).toEqual(['ref-1']);
  });

  test('of no job is JOB_NOT_FOUND', async ({ expect }) => {
    await expect(stopJob(coreDeps(), 'nobody-0')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });
});

async function withSubmission(changes: Partial<SubmissionDoc> = {}): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'submissions', aSubmission(changes));
  return deps;
}

// A submission whose stop was asked for, with these jobs.
async function stopping(...jobs: readonly Partial<JobDoc>[]): Promise<TestDeps> {
  const deps = await withSubmission();
  for (const job of jobs) await saved(deps, 'jobs', aJob(job));
  await requestEnding(deps, 'submission', stopEnding());
  return deps;
}
