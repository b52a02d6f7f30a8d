import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  freeLeases,
  keepLease,
  type Lease,
  releaseLease,
  reserveBlock,
  takeLease,
} from '../../../../functions/core/lane.ts';
import type { LanePolicy, TokenBlock } from '../../../../functions/ports/documents.ts';
import { aLane, coreDeps, LANE, START, type TestDeps } from '../../../doubles/builders.ts';
import { saved, stored } from '../../../doubles/store-access.ts';

describe('lease of a lane', () => {
  test('of two who ask one gets it', async ({ expect }) => {
    const deps = await withLane();
    const leases = await Promise.all([takeLease(deps, LANE), takeLease(deps, LANE)]);
    expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1);
  });

  test('nobody gets it while it is live, the next one does once it has run out', async ({
    expect,
  }) => {
    const deps = await withLane();
    await taken(deps);
    await deps.clock.advance(deps.timing.leaseMs - 1);
    expect(await takeLease(deps, LANE)).toBeUndefined();
    await deps.clock.advance(1);
    expect(await takeLease(deps, LANE)).toBeDefined();
  });

  test('a lane that does not exist yet has none', async ({ expect }) => {
    expect(await takeLease(coreDeps(), LANE)).toBeUndefined();
  });

  test('a takeover raises the epoch', async ({ expect }) => {
    const deps = await withLane();
    const first = await taken(deps);
    await deps.clock.advance(deps.timing.leaseMs);
    const second = await taken(deps);
    expect(second.lane.value.epoch).toBe(first.lane.value.epoch + 1);
    expect(second.holder).not.toBe(first.holder);
  });

  test('is renewed once half of it is spent, and not before', async ({ expect }) => {
    const deps = await withLane();
    const lease = await taken(deps);
    const { leaseMs } = deps.timing;
    await deps.clock.advance(leaseMs / 2 - 1);
    expect(await keepLease(deps, lease)).toBe(true);
    expect((await lane(deps)).leaseUntil).toBe(START + leaseMs);
    await deps.clock.advance(1);
    expect(await keepLease(deps, lease)).toBe(true);
    expect((await lane(deps)).leaseUntil).toBe(START + leaseMs / 2 + leaseMs);
  });

  test('one that was taken over can neither be renewed nor given back by who had it', async ({
    expect,
  }) => {
    const deps = await withLane();
    const old = await taken(deps);
    await deps.clock.advance(deps.timing.leaseMs);
    const now = await taken(deps);
    expect(await keepLease(deps, old)).toBe(false);
    await releaseLease(deps, old);
    expect((await lane(deps)).leaseHolder).toBe(now.holder);
  });

  test('given back, the next one gets it at once', async ({ expect }) => {
    const deps = await withLane();
    await releaseLease(deps, await taken(deps));
    expect(await takeLease(deps, LANE)).toBeDefined();
  });

  test('virtual times stay on the lane for the next holder', async ({ expect }) => {
    const deps = await withLane();
    const lease = await taken(deps);
    lease.times = { ada: 3, bob: 0 };
    await releaseLease(deps, lease);
    expect((await taken(deps)).times).toEqual({ ada: 3, bob: 0 });
  });

  test('a host that is alone ends the lease of its earlier life and brings its policy', async ({
    expect,
  }) => {
    const deps = await withLane();
    await taken(deps);
    const policy = { ratePerMinute: 7, maxActive: 3 };
    await freeLeases(deps, { id: LANE, platform: 'process', policy });
    expect((await taken(deps)).lane.value.policy).toEqual(policy);
  });
});

describe('tokens of a lane', () => {
  test('a block is as long as is wanted, at most five seconds of the rate, at least one', async ({
    expect,
  }) => {
    const deps = await withLane({ ratePerMinute: 120 });
    const lease = await taken(deps);
    expect(await reserveBlock(deps, lease, 4)).toEqual({ start: START, count: 4, intervalMs: 500 });
    expect((await reserveBlock(deps, lease, 1_000))?.count).toBe(10);
    const slow = await withLane({ ratePerMinute: 1 });
    expect(await reserveBlock(slow, await taken(slow), 1_000)).toMatchObject({ count: 1 });
  });

  test('no block reaches back into an earlier one, over takeovers, whatever the gaps', async () => {
    const rounds = fc.array(
      fc.record({
        wanted: fc.integer({ min: 1, max: 50 }),
        pauseMs: fc.integer({ min: 0, max: 20_000 }),
        takeover: fc.boolean(),
      }),
      { minLength: 1, maxLength: 20 },
    );
    const rate = fc.integer({ min: 1, max: 1_200 });
    await fc.assert(fc.asyncProperty(rate, rounds, blocksAreApart), { numRuns: 30 });
  });

  test('the tokens of any minute are within the rate, over takeovers', async ({ expect }) => {
    const deps = await withLane({ ratePerMinute: 30 }, 500);
    const instants: number[] = [];
    for (let round = 0; round < 40; round++) {
      const { start, count, intervalMs } = await reserved(deps, await taken(deps), 100);
      for (let i = 0; i < count; i++) instants.push(start + i * intervalMs);
      // The holder dies; every second time the next one comes only after a pause.
      await deps.clock.advance(deps.timing.leaseMs * (1 + (round % 2)));
    }
    for (const first of instants) {
      const inMinute = instants.filter((at) => at >= first && at < first + 60_000);
      expect(inMinute.length).toBeLessThanOrEqual(30);
    }
  });

  test('who lost the lease reserves nothing', async ({ expect }) => {
    const deps = await withLane({ ratePerMinute: 60 });
    const old = await taken(deps);
    await deps.clock.advance(deps.timing.leaseMs);
    await taken(deps);
    expect(await reserveBlock(deps, old, 5)).toBeUndefined();
  });
});

interface Round {
  readonly wanted: number;
  readonly pauseMs: number;
  readonly takeover: boolean;
}

async function blocksAreApart(ratePerMinute: number, rounds: readonly Round[]): Promise<boolean> {
  const deps = await withLane({ ratePerMinute }, 500);
  let lease = await taken(deps);
  let end = 0;
  for (const { wanted, pauseMs, takeover } of rounds) {
    await deps.clock.advance(takeover ? pauseMs + deps.timing.leaseMs : pauseMs);
    if (takeover || !(await keepLease(deps, lease))) lease = await taken(deps);
    const block = await reserved(deps, lease, wanted);
    if (block.start < Math.max(end, deps.clock.now())) return false;
    end = block.start + block.count * block.intervalMs;
  }
  return true;
}

async function withLane(policy: Partial<LanePolicy> = {}, leaseMs?: number): Promise<TestDeps> {
  const made = coreDeps();
  // A short lease, so that takeovers come while the old block still runs.
  const deps = leaseMs === undefined ? made : { ...made, timing: { ...made.timing, leaseMs } };
  await saved(deps, 'lanes', aLane({ policy }));
  return deps;
}

async function taken(deps: TestDeps): Promise<Lease> {
  const lease = await takeLease(deps, LANE);
  if (lease === undefined) throw new Error('somebody else holds the lane');
  return lease;
}

async function lane(deps: TestDeps) {
  return (await stored(deps, 'lanes', LANE)).value;
}

async function reserved(deps: TestDeps, lease: Lease, wanted: number): Promise<TokenBlock> {
  const block = await reserveBlock(deps, lease, wanted);
  if (block === undefined) throw new Error('the lease was lost');
  return block;
}
