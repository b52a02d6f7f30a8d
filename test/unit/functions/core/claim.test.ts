import { describe, test } from 'vitest';
import { claimJobs, submitClaimed } from '../../../../functions/core/claim.ts';
import { recoverClaims } from '../../../../functions/core/claim-recovery.ts';
import { stopJob } from '../../../../functions/core/ending.ts';
import type { JobDoc } from '../../../../functions/ports/documents.ts';
import { PlatformRefusal } from '../../../../functions/ports/platform.ts';
import type { Stored } from '../../../../functions/ports/store.ts';
import {
  aJob,
  anObservation,
  aSubmission,
  coreDeps,
  LANE,
  START,
  type TestDeps,
} from '../../../doubles/builders.ts';
import { beforeCommit, jobNow, saved, stored, writesTo } from '../../../doubles/store-access.ts';

describe('claim', () => {
  test('of two drainers that claim one job one gets it', async ({ expect }) => {
    const deps = await withJob();
    const job = await stored(deps, 'jobs', 'submission-0');
    const claims = await Promise.all(
      ['one', 'two'].map((holder) => claimJobs(deps, holder, [job])),
    );
    expect(claims.flat()).toHaveLength(1);
  });

  test('of two drainers that each claim and submit one platform job comes', async ({ expect }) => {
    const deps = await withJob();
    const job = await stored(deps, 'jobs', 'submission-0');
    await Promise.all(
      ['one', 'two'].map(async (holder) => {
        for (const claimed of await claimJobs(deps, holder, [job]))
          await submitClaimed(deps, claimed, aSubmission());
      }),
    );
    expect(deps.platform.submitted).toHaveLength(1);
    expect(await jobNow(deps)).toMatchObject({ state: 'SUBMITTED', ref: 'ref-1', claim: null });
  });

  test('leaves out a job that changed meanwhile', async ({ expect }) => {
    const deps = await withJob({ index: 0 });
    const jobs = [
      await stored(deps, 'jobs', 'submission-0'),
      await saved(deps, 'jobs', aJob({ index: 1 })),
    ];
    await stopJob(deps, 'submission-1');
    const claimedJobs = await claimJobs(deps, 'one', jobs);
    expect(claimedJobs.map(({ key }) => key.id)).toEqual(['submission-0']);
    expect((await jobNow(deps, 'submission-1')).state).toBe('STOPPED');
  });

  test('runs for the create deadline, and is left alone for the list lag and the skew after it', async ({
    expect,
  }) => {
    const deps = await withJob();
    const { value } = await claimed(deps);
    expect(value).toMatchObject({
      state: 'SUBMITTING',
      claim: { epoch: 1, holder: 'one', createBy: START + 10_000 },
      claimUntil: START + 10_000 + 5_000 + deps.timing.skewMs,
    });
  });

  test('each claim of a job has a higher epoch, the attempt stays', async ({ expect }) => {
    const deps = await withJob();
    deps.platform.onSubmit = refuses('quota');
    await submitClaimed(deps, await claimed(deps, 'one'), aSubmission());
    const again = await claimed(deps, 'two');
    expect(again.value).toMatchObject({ attempt: 1, claim: { epoch: 2, holder: 'two' } });
  });
});

describe('submit', () => {
  test('names job, attempt, command and deadline to the platform', async ({ expect }) => {
    const deps = await withJob({ flags: ['--lr', '0.1'] });
    await submitClaimed(deps, await claimed(deps), aSubmission({ scriptArgs: ['--fast'] }));
    expect(deps.platform.submitted).toMatchObject([
      {
        jobId: 'submission-0',
        attempt: 1,
        lane: LANE,
        command: ['python', 'train.py'],
        args: ['--fast', '--lr', '0.1'],
        createBy: START + 10_000,
      },
    ]);
  });

  test('a quota answer is a wait: QUEUED, not offered before its time, with the platform’s words', async ({
    expect,
  }) => {
    const deps = await withJob();
    deps.platform.onSubmit = refuses('quota', 'Quota of V100 is used up.', { retryAfterMs: 7_000 });
    const outcome = await submitClaimed(deps, await claimed(deps), aSubmission());
    expect(outcome).toEqual({ kind: 'busy', untilMs: START + 7_000 });
    expect(await jobNow(deps)).toMatchObject({
      state: 'QUEUED',
      live: true,
      notBefore: START + 7_000,
      cause: { code: 'waiting-for-quota', message: 'Quota of V100 is used up.' },
    });
  });

  test('a quota answer to a job that is to stop ends it: it is not submitted again', async ({
    expect,
  }) => {
    const deps = await withJob();
    deps.platform.onSubmit = async () => {
      await stopJob(deps, 'submission-0');
      throw new PlatformRefusal('quota', 'Full.');
    };
    expect(await submitClaimed(deps, await claimed(deps), aSubmission())).toMatchObject({
      kind: 'busy',
    });
    expect(await jobNow(deps)).toMatchObject({
      state: 'STOPPED',
      cause: { code: 'stop-requested' },
    });
  });

  test('a permanent refusal fails the job with the platform’s words and its hint', async ({
    expect,
  }) => {
    const deps = await withJob();
    deps.platform.onSubmit = refuses('permanent', 'No such machine.', { hint: 'Take n1.' });
    expect(await submitClaimed(deps, await claimed(deps), aSubmission())).toEqual({ kind: 'over' });
    expect(await jobNow(deps)).toMatchObject({
      state: 'FAILED',
      cause: { code: 'refused', message: 'No such machine. Take n1.' },
    });
  });

  test('an unknown outcome leaves the job SUBMITTING', async ({ expect }) => {
    const deps = await withJob();
    deps.platform.onSubmit = async () => {
      throw new Error('socket hang up');
    };
    const outcome = await submitClaimed(deps, await claimed(deps), aSubmission());
    expect(outcome).toEqual({ kind: 'unknown' });
    expect((await jobNow(deps)).state).toBe('SUBMITTING');
  });

  test('a drainer that slept past its claim submits nothing', async ({ expect }) => {
    const deps = await withJob();
    const job = await claimed(deps);
    await deps.clock.advance(10_000);
    expect(await submitClaimed(deps, job, aSubmission())).toEqual({ kind: 'unknown' });
    expect(deps.platform.submitted).toEqual([]);
  });

  test('a stop that came while it was being submitted ends it on its platform', async ({
    expect,
  }) => {
    const deps = await withJob();
    deps.platform.onSubmit = async () => {
      await stopJob(deps, 'submission-0');
      return { ref: 'ref-1' };
    };
    await submitClaimed(deps, await claimed(deps), aSubmission());
    expect(deps.platform.cancelled).toEqual(['ref-1']);
    expect((await jobNow(deps)).state).toBe('SUBMITTED');
  });

  test('a race for the job’s document does not lose the platform’s answer', async ({ expect }) => {
    const deps = await withJob();
    const job = await claimed(deps);
    const store = beforeCommit(deps.store, writesTo('jobs'), async () => {
      await saved(deps, 'jobs', { ...job.value, stopRequestedAt: START });
    });
    await submitClaimed({ ...deps, store }, job, aSubmission());
    expect(await jobNow(deps)).toMatchObject({ state: 'SUBMITTED', ref: 'ref-1' });
    expect(deps.platform.cancelled).toEqual(['ref-1']);
  });

  test('who comes late, the job having been settled without it, ends what it made', async ({
    expect,
  }) => {
    const deps = await withJob();
    const job = await claimed(deps);
    deps.platform.onSubmit = async () => {
      await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: 'ref-other' }));
      return { ref: 'ref-late' };
    };
    expect(await submitClaimed(deps, job, aSubmission())).toEqual({ kind: 'over' });
    expect(deps.platform.cancelled).toEqual(['ref-late']);
    expect((await jobNow(deps)).ref).toBe('ref-other');
  });

  test('who comes late and finds its own job adopted leaves it alone', async ({ expect }) => {
    const deps = await withJob();
    const job = await claimed(deps);
    deps.platform.onSubmit = async () => {
      await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: 'ref-late' }));
      return { ref: 'ref-late' };
    };
    await submitClaimed(deps, job, aSubmission());
    expect(deps.platform.cancelled).toEqual([]);
  });

  test('who comes late while its successor still looks around leaves it to be found', async ({
    expect,
  }) => {
    const deps = await withJob();
    const job = await claimed(deps);
    deps.platform.onSubmit = async () => {
      const claim = { epoch: 2, holder: 'two', claimedAt: 0, createBy: 0, outcomeUnknown: true };
      await saved(deps, 'jobs', { ...job.value, claim });
      return { ref: 'ref-late' };
    };
    await submitClaimed(deps, job, aSubmission());
    expect(deps.platform.cancelled).toEqual([]);
    expect(await jobNow(deps)).toMatchObject({ state: 'SUBMITTING', claim: { holder: 'two' } });
  });
});

describe('claims whose drainer is gone', () => {
  const GRACE = 10_000 + 5_000 + 2_000;

  test('are left alone until the grace is over', async ({ expect }) => {
    const deps = await withStuckClaim();
    await deps.clock.advance(GRACE - 1);
    expect(await recoverClaims(deps, LANE, 'two')).toBe(0);
    await deps.clock.advance(1);
    expect(await recoverClaims(deps, LANE, 'two')).toBe(1);
  });

  test('adopt what was made, by its label', async ({ expect }) => {
    const deps = await withStuckClaim();
    deps.platform.observations = [anObservation({ ref: 'made' })];
    await deps.clock.advance(GRACE);
    await recoverClaims(deps, LANE, 'two');
    const job = await jobNow(deps);
    expect(job).toMatchObject({ state: 'RUNNING', ref: 'made', claim: null });
    expect(job.history.map(({ cause }) => cause.code)).toEqual([
      'accepted',
      'claimed',
      'claim-taken-over',
      'adopted',
    ]);
  });

  test('of several the oldest is adopted', async ({ expect }) => {
    const deps = await withStuckClaim();
    deps.platform.observations = [
      anObservation({ ref: 'b', createdAt: START + 2 }),
      anObservation({ ref: 'a', createdAt: START + 1 }),
    ];
    await deps.clock.advance(GRACE);
    await recoverClaims(deps, LANE, 'two');
    expect((await jobNow(deps)).ref).toBe('a');
  });

  test('another attempt is not adopted', async ({ expect }) => {
    const deps = await withStuckClaim();
    deps.platform.observations = [anObservation({ ref: 'other', attempt: 2 })];
    await deps.clock.advance(GRACE);
    await recoverClaims(deps, LANE, 'two');
    expect(await jobNow(deps)).toMatchObject({ state: 'QUEUED', ref: null });
  });

  test('go back to waiting when nothing was made', async ({ expect }) => {
    const deps = await withStuckClaim();
    await deps.clock.advance(GRACE);
    await recoverClaims(deps, LANE, 'two');
    expect(await jobNow(deps)).toMatchObject({
      state: 'QUEUED',
      notBefore: 0,
      cause: { code: 'at-the-gate' },
    });
  });

  test('are STOPPED when nothing was made and a stop was asked for', async ({ expect }) => {
    const deps = await withStuckClaim();
    await stopJob(deps, 'submission-0');
    await deps.clock.advance(GRACE);
    await recoverClaims(deps, LANE, 'two');
    expect(await jobNow(deps)).toMatchObject({
      state: 'STOPPED',
      cause: { code: 'stop-requested' },
    });
  });

  test('of two that find out at once one settles it', async ({ expect }) => {
    const deps = await withStuckClaim();
    await deps.clock.advance(GRACE);
    const settled = await Promise.all(
      ['two', 'three'].map((holder) => recoverClaims(deps, LANE, holder)),
    );
    expect(settled.toSorted()).toEqual([0, 1]);
  });

  test('a job that was found out about meanwhile is not moved again', async ({ expect }) => {
    const deps = await withStuckClaim();
    await deps.clock.advance(GRACE);
    deps.platform.onFind = async () => {
      await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: 'ref-1' }));
    };
    expect(await recoverClaims(deps, LANE, 'two')).toBe(0);
    expect((await jobNow(deps)).state).toBe('RUNNING');
  });
});

function refuses(kind: 'quota' | 'permanent', words = 'No.', details = {}) {
  return async () => {
    throw new PlatformRefusal(kind, words, details);
  };
}

async function withJob(changes: Partial<JobDoc> = {}): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'submissions', aSubmission());
  await saved(deps, 'jobs', aJob(changes));
  return deps;
}

// The drainer of this job got no answer.
async function withStuckClaim(): Promise<TestDeps> {
  const deps = await withJob();
  await claimed(deps);
  return deps;
}

async function claimed(deps: TestDeps, holder = 'one'): Promise<Stored<'jobs'>> {
  const [job] = await claimJobs(deps, holder, [await stored(deps, 'jobs', 'submission-0')]);
  if (job === undefined) throw new Error('the claim was lost');
  return job;
}
