import { describe, test } from 'vitest';
import { claimJobs, submitClaimed } from '../../../../functions/core/claim.ts';
import { recoverClaims } from '../../../../functions/core/claim-recovery.ts';
import { drainLane } from '../../../../functions/core/drain.ts';
import {
  endSubmission,
  requestEnding,
  stopEnding,
  stopJob,
} from '../../../../functions/core/ending.ts';
import { syncLane } from '../../../../functions/core/sync.ts';
import { PlatformRefusal } from '../../../../functions/ports/platform.ts';
import {
  aJob,
  aLane,
  anObservation,
  aSubmission,
  coreDeps,
  LANE,
  type TestDeps,
} from '../../../doubles/builders.ts';
import { jobNow, jobsNow, saved, stored } from '../../../doubles/store-access.ts';

const REF = 'ref-1';
const full = { full: true, wake: 'caller' } as const;

// Each leaves jobs with a history; what they pass through is in the name.
const STORIES: Readonly<Record<string, (deps: TestDeps) => Promise<void>>> = {
  async 'claimed, submitted, running, succeeded'(deps) {
    await claimAndSubmit(deps);
    await observe(deps, 'RUNNING');
    await observe(deps, 'SUCCEEDED');
  },
  async 'running and succeeded in one page of the platform'(deps) {
    await claimAndSubmit(deps);
    deps.platform.observations = [
      anObservation({ state: 'RUNNING' }),
      anObservation({ state: 'SUCCEEDED' }),
    ];
    await syncLane(deps, LANE, full);
  },
  async 'put back for quota'(deps) {
    deps.platform.onSubmit = refuses('quota');
    await claimAndSubmit(deps);
  },
  async 'refused for good'(deps) {
    deps.platform.onSubmit = refuses('permanent');
    await claimAndSubmit(deps);
  },
  async 'no answer, taken over, adopted'(deps) {
    deps.platform.onSubmit = () => Promise.reject(new Error('lost'));
    await claimAndSubmit(deps);
    await deps.clock.advance(3_600_000);
    deps.platform.observations = [anObservation({ state: 'RUNNING' })];
    await recoverClaims(deps, LANE, 'two');
  },
  async 'no answer, taken over, put back'(deps) {
    deps.platform.onSubmit = () => Promise.reject(new Error('lost'));
    await claimAndSubmit(deps);
    await deps.clock.advance(3_600_000);
    await recoverClaims(deps, LANE, 'two');
  },
  async 'missed, lost for good'(deps) {
    await claimAndSubmit(deps);
    await deps.clock.advance(3_600_000);
    await syncLane(deps, LANE, full);
    await deps.clock.advance(8 * 86_400_000);
    await syncLane(deps, LANE, full);
  },
  async 'a second one beside it'(deps) {
    await claimAndSubmit(deps);
    deps.platform.observations = [anObservation(), anObservation({ ref: 'ref-2' })];
    await syncLane(deps, LANE, full);
    await syncLane(deps, LANE, full);
  },
  async 'stopped while it waits'(deps) {
    await stopJob(deps, 'submission-0');
  },
  async 'stopped while it runs'(deps) {
    await claimAndSubmit(deps);
    await stopJob(deps, 'submission-0');
    await observe(deps, 'STOPPED');
  },
  async 'its submission stopped'(deps) {
    await requestEnding(deps, 'submission', stopEnding());
    await endSubmission(deps, 'submission');
  },
  async 'three by one drainer'(deps) {
    for (const index of [1, 2]) await saved(deps, 'jobs', aJob({ index }));
    await drainLane(deps, LANE);
  },
};

describe('the log of moves', () => {
  test.for(Object.keys(STORIES))('has one line for each move: %s', async (name, { expect }) => {
    const deps = coreDeps();
    await saved(deps, 'lanes', aLane());
    await saved(deps, 'submissions', aSubmission());
    await saved(deps, 'jobs', aJob());
    await STORIES[name]?.(deps);
    const jobs = await jobsNow(deps);
    const happened = jobs.flatMap(({ id: jobId, history }) =>
      history.slice(1).map(({ from, to, cause }) => ({ jobId, from, to, cause: cause.code })),
    );
    const lines = deps.lines.filter(({ message }) => /^job (moved|noted)$/.test(message));
    const told = lines.map(({ fields: { jobId, from, to, cause } }) => ({
      jobId,
      from,
      to,
      cause,
    }));
    const byJob = (a: { jobId: unknown }, b: { jobId: unknown }) =>
      String(a.jobId).localeCompare(String(b.jobId));
    expect(happened.length).toBeGreaterThan(0);
    expect(told.toSorted(byJob)).toEqual(happened.toSorted(byJob));
    for (const { fields, level } of lines) {
      expect(level).toBe('info');
      expect(fields).toMatchObject({ submissionId: 'submission', attempt: 1 });
    }
    const counted = deps.meters
      .families()
      .find((family) => family.name === 'caliban_job_moves_total')
      ?.samples.reduce((sum, { value }) => sum + value, 0);
    expect(counted).toBe(told.filter(({ from, to }) => from !== to).length);
  });

  test('tells nothing that was not committed', async ({ expect }) => {
    const deps = coreDeps();
    await saved(deps, 'jobs', aJob());
    const job = await stored(deps, 'jobs', 'submission-0');
    deps.store.commit = () => Promise.reject(new Error('disk full'));
    await expect(claimJobs(deps, 'one', [job])).rejects.toThrow('disk full');
    await expect(stopJob(deps, 'submission-0')).rejects.toThrow('disk full');
    expect(deps.lines).toEqual([]);
  });

  test('has the wish to end a job that runs', async ({ expect }) => {
    const deps = coreDeps();
    await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: REF }));
    await stopJob(deps, 'submission-0');
    expect(deps.lines).toMatchObject([
      {
        message: 'stop of job requested',
        fields: { jobId: 'submission-0', submissionId: 'submission', attempt: 1 },
      },
    ]);
  });
});

async function claimAndSubmit(deps: TestDeps): Promise<void> {
  const [job] = await claimJobs(deps, 'one', [await stored(deps, 'jobs', 'submission-0')]);
  if (job === undefined) throw new Error('not claimed');
  await submitClaimed(deps, job, aSubmission());
}

async function observe(deps: TestDeps, state: 'RUNNING' | 'SUCCEEDED' | 'STOPPED'): Promise<void> {
  deps.platform.observations = [anObservation({ state })];
  await syncLane(deps, LANE, full);
  if ((await jobNow(deps)).state !== state) throw new Error(`not ${state}`);
}

function refuses(kind: 'quota' | 'permanent') {
  return () => Promise.reject(new PlatformRefusal(kind, 'No.'));
}
