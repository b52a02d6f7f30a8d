import { describe, test } from 'vitest';
import { claimJobs } from '../../../../functions/core/claim.ts';
import { recoverClaims } from '../../../../functions/core/claim-recovery.ts';
import { freeClaims } from '../../../../functions/core/free-claims.ts';
import {
  aJob,
  aLane,
  anObservation,
  aSubmission,
  coreDeps,
  LANE,
  type TestDeps,
} from '../../../doubles/builders.ts';
import { jobNow, jobsNow, saved } from '../../../doubles/store-access.ts';

describe('claims of an earlier life', () => {
  test('are looked into at once: what was made is adopted, the rest waits again', async ({
    expect,
  }) => {
    const deps = await withClaims(3);
    deps.platform.observations = [anObservation({ jobId: 'submission-1', ref: 'made-before' })];
    expect(await recoverClaims(deps, LANE, 'two')).toBe(0);
    await freeClaims(deps, LANE);
    expect(await recoverClaims(deps, LANE, 'two')).toBe(3);
    expect((await jobsNow(deps)).map(({ state }) => state)).toEqual([
      'QUEUED',
      'RUNNING',
      'QUEUED',
    ]);
    expect((await jobNow(deps, 'submission-1')).ref).toBe('made-before');
  });

  test('of more jobs than one commit takes', async ({ expect }) => {
    const deps = await withClaims(620);
    await freeClaims(deps, LANE);
    const page = await deps.store.list(
      'stuckClaims',
      { lane: LANE, state: 'SUBMITTING', atMost: 0 },
      { limit: 500 },
    );
    expect([page.items.length, page.next === undefined]).toEqual([500, false]);
    expect((await jobNow(deps, 'submission-619')).claimUntil).toBe(0);
  });

  test('of another lane stay as they are', async ({ expect }) => {
    const deps = await withClaims(1);
    await freeClaims(deps, 'another');
    expect((await jobNow(deps)).claimUntil).toBeGreaterThan(deps.clock.now());
  });
});

async function withClaims(jobs: number): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'lanes', aLane());
  await saved(deps, 'submissions', aSubmission());
  for (let index = 0; index < jobs; index++) {
    const job = await saved(deps, 'jobs', aJob({ index }));
    await claimJobs(deps, 'one', [job]);
  }
  return deps;
}
