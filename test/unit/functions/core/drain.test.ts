import { describe, test } from 'vitest';
import { drainLane } from '../../../../functions/core/drain.ts';
import { takeLease } from '../../../../functions/core/lane.ts';
import type { LanePolicy } from '../../../../functions/ports/documents.ts';
import { PlatformRefusal } from '../../../../functions/ports/platform.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import {
  aJob,
  aLane,
  anObservation,
  aSubmission,
  coreDeps,
  LANE,
  START,
  type TestDeps,
} from '../../../doubles/builders.ts';
import {
  changed,
  jobNow,
  jobsNow,
  saved,
  stored,
  submissionNow,
  waitingMessages,
} from '../../../doubles/store-access.ts';

describe('drain', () => {
  test('submits what waits, by index', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 5 });
    await drainLane(deps, LANE);
    expect(submitted(deps)).toEqual(['ada-0', 'ada-1', 'ada-2', 'ada-3', 'ada-4']);
    expect((await jobsNow(deps)).every(({ state }) => state === 'SUBMITTED')).toBe(true);
  });

  test('ends at once when another drainer holds the lane', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    await takeLease(deps, LANE);
    await drainLane(deps, LANE);
    expect(deps.platform.submitted).toEqual([]);
    expect(deps.clock.now()).toBe(START);
  });

  test('of two drainers at once each job is submitted once', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 40 });
    await Promise.all([drainLane(deps, LANE), drainLane(deps, LANE)]);
    expect(new Set(submitted(deps)).size).toBe(40);
    expect(deps.platform.submitted).toHaveLength(40);
  });

  test('gives the lane back, and leaves no wake when nothing is open any more', async ({
    expect,
  }) => {
    const deps = await withSweeps({}, { ada: 1 });
    await drainLane(deps, LANE);
    expect((await stored(deps, 'lanes', LANE)).value.leaseHolder).toBeNull();
    expect((await submissionNow(deps, 'ada')).openLane).toBeNull();
    expect(await waitingMessages(deps)).toEqual([]);
  });

  test('closes no submission that is still being expanded', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    await changed(deps, { collection: 'submissions', id: 'ada' }, { expanded: false });
    await drainLane(deps, LANE);
    expect((await submissionNow(deps, 'ada')).openLane).toBe(LANE);
  });

  test('closes no submission of which a job may still come back to waiting', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    const createBy = START + 600_000;
    const claim = { epoch: 1, holder: 'slow', claimedAt: START, createBy, outcomeUnknown: false };
    await changed(
      deps,
      { collection: 'jobs', id: 'ada-0' },
      { state: 'SUBMITTING', active: true, claim, claimUntil: createBy },
    );
    await drainLane(deps, LANE);
    expect((await submissionNow(deps, 'ada')).openLane).toBe(LANE);
  });

  test('keeps a slice below its length and leaves a wake for what is left', async ({ expect }) => {
    const deps = await withSweeps({ ratePerMinute: 60 }, { ada: 200 });
    await drainLane(deps, LANE);
    expect(deps.clock.now() - START).toBeLessThanOrEqual(deps.timing.sliceMs);
    expect(deps.platform.submitted.length).toBeLessThan(200);
    expect((await waitingMessages(deps)).map(({ message }) => message)).toEqual([
      { kind: 'drain', lane: LANE },
    ]);
  });

  test('never more jobs active than the lane takes', async ({ expect }) => {
    const deps = await withSweeps({ maxActive: 3 }, { ada: 10 });
    await drainLane(deps, LANE);
    expect(deps.platform.submitted).toHaveLength(3);
  });

  test('beyond its places only as many as its platform starts in a moment', async ({ expect }) => {
    const deps = await withSweeps({ maxActive: 3 }, { ada: 10 });
    Object.assign(deps.platform, { ahead: () => 2 });
    await drainLane(deps, LANE);
    expect(deps.platform.submitted).toHaveLength(5);
  });

  test('what came free is filled again within the slice', async ({ expect }) => {
    const deps = await withSweeps({ maxActive: 2 }, { ada: 4 });
    let waits = 0;
    const waitOnLane = async (_: string, ms: number) => {
      waits++;
      await changed(deps, { collection: 'jobs', id: `ada-${waits - 1}` }, ENDED);
      await deps.clock.advance(ms);
    };
    await drainLane({ ...deps, waitOnLane }, LANE);
    expect(submitted(deps)).toEqual(['ada-0', 'ada-1', 'ada-2', 'ada-3']);
  });

  test('a lane with a rate lets through one job an interval, from the start', async ({
    expect,
  }) => {
    const deps = await withSweeps({ ratePerMinute: 120 }, { ada: 20 });
    const instants: number[] = [];
    deps.platform.onSubmit = async ({ jobId }) => {
      instants.push(deps.clock.now() - START);
      return { ref: jobId };
    };
    await drainLane(deps, LANE);
    expect(instants).toEqual(Array.from({ length: 20 }, (_, at) => at * 500));
  });

  test('the rate holds over the end of a slice and a takeover', async ({ expect }) => {
    const deps = await withSweeps({ ratePerMinute: 60, maxActive: 1_000 }, { ada: 200 });
    const instants: number[] = [];
    deps.platform.onSubmit = async ({ jobId }) => {
      instants.push(deps.clock.now());
      return { ref: jobId };
    };
    for (let slice = 0; slice < 3; slice++) await drainLane(deps, LANE);
    for (const first of instants) {
      const inMinute = instants.filter((at) => at >= first && at < first + 60_000);
      expect(inMinute.length).toBeLessThanOrEqual(60);
    }
    expect(instants.length).toBeGreaterThan(100);
  });

  test('a colleague’s single job does not wait behind a sweep', async ({ expect }) => {
    const deps = await withSweeps({ ratePerMinute: 600, maxActive: 1_000 }, { ada: 300 });
    await saved(
      deps,
      'submissions',
      aSubmission({ id: 'bob', principal: 'bob', acceptedAt: START + 1 }),
    );
    await saved(deps, 'jobs', aJob({ submissionId: 'bob' }));
    await drainLane(deps, LANE);
    expect(submitted(deps).indexOf('bob-0')).toBeLessThanOrEqual(1);
  });

  test('a quota answer makes the lane wait, without failing a job', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    const { onSubmit } = deps.platform;
    deps.platform.onSubmit = (job) => {
      if (deps.clock.now() >= START + 9_000) return onSubmit(job);
      return Promise.reject(new PlatformRefusal('quota', 'Full.', { retryAfterMs: 9_000 }));
    };
    await drainLane(deps, LANE);
    expect(deps.platform.submitted.length).toBe(2);
    expect((await jobNow(deps, 'ada-0')).state).toBe('SUBMITTED');
  });

  test('a job that is to wait is passed over', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 2 });
    await changed(deps, { collection: 'jobs', id: 'ada-0' }, { notBefore: START + 3_600_000 });
    await drainLane(deps, LANE);
    expect(submitted(deps)).toEqual(['ada-1']);
    expect((await submissionNow(deps, 'ada')).openLane).toBe(LANE);
  });

  test('nothing of a stopped submission is claimed', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 2, bob: 1 });
    await changed(deps, { collection: 'submissions', id: 'ada' }, { stopRequestedAt: START });
    await drainLane(deps, LANE);
    expect(submitted(deps)).toEqual(['bob-0']);
  });

  test('finds out about the claims of a dead drainer before it serves', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    const claim = { epoch: 1, holder: 'dead', claimedAt: 0, createBy: 0, outcomeUnknown: false };
    await changed(
      deps,
      { collection: 'jobs', id: 'ada-0' },
      { state: 'SUBMITTING', active: true, claim, claimUntil: START - 1 },
    );
    deps.platform.observations = [anObservation({ jobId: 'ada-0', ref: 'made-before' })];
    await drainLane(deps, LANE);
    expect(deps.platform.submitted).toEqual([]);
    expect(await jobNow(deps, 'ada-0')).toMatchObject({ state: 'RUNNING', ref: 'made-before' });
  });

  test('a host that ends is asked between two batches, however many places there are', async ({
    expect,
  }) => {
    const deps = await withSweeps({ maxActive: 400 }, { ada: 100 });
    const waits: number[] = [];
    const waitOnLane = async (_: string, ms: number) => {
      waits.push(ms);
      throw new Error('the service ends');
    };
    await expect(drainLane({ ...deps, waitOnLane }, LANE)).rejects.toThrow('the service ends');
    expect(waits).toEqual([0]);
    expect(deps.platform.submitted).toHaveLength(32);
  });

  test('a slice that breaks off gives the lane back', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    const waitOnLane = () => Promise.reject(new Error('the service ends'));
    await expect(drainLane({ ...deps, waitOnLane }, LANE)).rejects.toThrow('the service ends');
    expect(await takeLease(deps, LANE)).toBeDefined();
  });

  test('a slice that breaks off because nothing can be written gives the lane back as soon as it can', async ({
    expect,
  }) => {
    const deps = await withSweeps({}, { ada: 1 });
    let fullUntil = 0;
    const commit: typeof deps.store.commit = (writes) => {
      if (writes.some(({ key }) => key.collection === 'jobs')) fullUntil = START + 20_000;
      return deps.clock.now() < fullUntil
        ? Promise.reject(new AppError('DISK_FULL', 'full'))
        : deps.store.commit(writes);
    };
    const drained = drainLane({ ...deps, store: { ...deps.store, commit } }, LANE);
    await expect(drained).rejects.toMatchObject({ code: 'DISK_FULL' });
    const lane = (await stored(deps, 'lanes', LANE)).value;
    expect([lane.leaseHolder, lane.leaseUntil]).toEqual([null, 0]);
    expect(deps.clock.now() - START).toBeLessThan(deps.timing.leaseMs);
  });

  test('nor does it hold up anybody for longer than its lease', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    let isFull = false;
    const commit: typeof deps.store.commit = (writes) => {
      isFull ||= writes.some(({ key }) => key.collection === 'jobs');
      return isFull ? Promise.reject(new AppError('DISK_FULL', 'full')) : deps.store.commit(writes);
    };
    const drained = drainLane({ ...deps, store: { ...deps.store, commit } }, LANE);
    await expect(drained).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(deps.clock.now() - START).toBeLessThanOrEqual(deps.timing.leaseMs + 1_000);
  });

  test('a fast lane with room for thousands stays within what a store takes', async ({
    expect,
  }) => {
    const deps = await withSweeps({ ratePerMinute: 60_000, maxActive: 5_000 }, { ada: 700 });
    const { onSubmit } = deps.platform;
    deps.platform.onSubmit = async (job) => {
      if (deps.platform.submitted.length === 1) await deps.clock.advance(2_000);
      return onSubmit(job);
    };
    await drainLane(deps, LANE);
    expect(deps.platform.submitted).toHaveLength(700);
  });

  test('a claim that cannot be settled yet leaves a wake for when it can', async ({ expect }) => {
    const deps = await withSweeps({}, { ada: 1 });
    deps.platform.onSubmit = () => Promise.reject(new Error('socket hang up'));
    const timing = { ...deps.timing, sliceMs: 1_000 };
    await drainLane({ ...deps, timing }, LANE);
    await changed(deps, { collection: 'submissions', id: 'ada' }, { openLane: null });
    await drainLane({ ...deps, timing }, LANE);
    const { claimUntil } = await jobNow(deps, 'ada-0');
    expect((await waitingMessages(deps)).at(-1)).toEqual({
      message: { kind: 'drain', lane: LANE },
      notBefore: claimUntil,
    });
  });
});

const ENDED = { state: 'SUCCEEDED', live: false, active: false } as const;

function submitted(deps: TestDeps): string[] {
  return deps.platform.submitted.map(({ jobId }) => jobId);
}

// A lane and, for each principal, a submission of the same name with so many jobs.
async function withSweeps(
  policy: Partial<LanePolicy>,
  sweeps: Readonly<Record<string, number>>,
): Promise<TestDeps> {
  const deps = coreDeps();
  await saved(deps, 'lanes', aLane({ policy }));
  for (const [principal, count] of Object.entries(sweeps)) {
    await saved(deps, 'submissions', aSubmission({ id: principal, principal, count }));
    const width = String(count - 1).length;
    for (let index = 0; index < count; index++) {
      const id = `${principal}-${String(index).padStart(width, '0')}`;
      await saved(deps, 'jobs', aJob({ id, submissionId: principal, index }));
    }
  }
  return deps;
}
