import { describe, type TestContext, test } from 'vitest';
import { createSyncLoop } from '../../../../functions/embedded/sync-loop.ts';
import { aJob, aLane, anObservation, coreDeps, LANE } from '../../../doubles/builders.ts';
import { jobNow, saved, stored } from '../../../doubles/store-access.ts';

describe('sync loop', () => {
  test('looks at once, then each second', async (context) => {
    const { expect } = context;
    const { deps } = await start(context);
    await deps.clock.advance(10);
    expect(deps.platform.listed).toHaveLength(1);
    await deps.clock.advance(980);
    expect(deps.platform.listed).toHaveLength(1);
    await deps.clock.advance(20);
    expect(deps.platform.listed).toHaveLength(2);
    await deps.clock.advance(4_000);
    expect(deps.platform.listed).toHaveLength(6);
  });

  test('looks soon after a hint, once for hints that come together', async (context) => {
    const { expect } = context;
    const { deps, loop } = await start(context);
    await deps.clock.advance(1_000);
    loop.hint();
    loop.hint();
    loop.hint();
    await deps.clock.advance(10);
    expect(deps.platform.listed).toHaveLength(2);
  });

  test('a hint that comes while it looks makes it look again', async (context) => {
    const { expect } = context;
    const { deps, loop } = await start(context);
    const list = deps.platform.list;
    deps.platform.list = (...args) => {
      if (deps.platform.listed.length === 0) loop.hint();
      return list(...args);
    };
    await deps.clock.advance(500);
    expect(deps.platform.listed).toHaveLength(2);
  });

  test('moves jobs, says that places may have come free, and counts their group anew', async (context) => {
    const { expect } = context;
    const { deps, freed } = await start(context);
    await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: 'ref-1' }));
    deps.platform.observations = [anObservation({ state: 'SUCCEEDED' })];
    await deps.clock.advance(1_000);
    expect((await jobNow(deps)).state).toBe('SUCCEEDED');
    expect(freed()).toBe(1);
    expect((await stored(deps, 'counts', 'group-group')).value.byState.SUCCEEDED).toBe(1);
    await deps.clock.advance(5_000);
    expect(freed()).toBe(1);
  });

  test('looks thoroughly every thirty seconds: what is missing is noticed', async (context) => {
    const { expect } = context;
    const { deps } = await start(context);
    await saved(deps, 'jobs', aJob({ state: 'RUNNING', ref: 'ref-1' }));
    await deps.clock.advance(120_000);
    expect((await jobNow(deps)).state).toBe('RUNNING');
    await deps.clock.advance(40_000);
    expect((await jobNow(deps)).state).toBe('UNKNOWN');
  });

  test('goes on after a pass that failed', async (context) => {
    const { expect } = context;
    const { deps } = await start(context);
    const list = deps.platform.list;
    let failures = 2;
    deps.platform.list = (...args) =>
      failures-- > 0 ? Promise.reject(new Error('unavailable')) : list(...args);
    await deps.clock.advance(3_000);
    expect(deps.platform.listed).toHaveLength(1);
    expect(deps.logged).toEqual(['sync failed', 'sync failed']);
  });

  test('tells when it last made a whole pass: one that fails is none', async (context) => {
    const { expect } = context;
    const { deps, loop } = await start(context);
    await deps.clock.advance(5_000);
    const before = loop.turnedAt();
    expect(deps.clock.now() - before).toBeLessThanOrEqual(1_000);
    const list = deps.platform.list;
    deps.platform.list = () => Promise.reject(new Error('unavailable'));
    await deps.clock.advance(10_000);
    expect(loop.turnedAt()).toBe(before);
    deps.platform.list = list;
    await deps.clock.advance(1_000);
    expect(deps.clock.now() - loop.turnedAt()).toBeLessThanOrEqual(1_000);
  });

  test('ends at the signal', async (context) => {
    const { expect } = context;
    const { deps, ending, ended } = await start(context);
    await deps.clock.advance(1_500);
    ending.abort();
    await ended;
    await deps.clock.advance(5_000);
    expect(deps.platform.listed).toHaveLength(2);
  });
});

async function start({ onTestFinished }: TestContext) {
  const deps = coreDeps();
  await saved(deps, 'lanes', aLane());
  let freed = 0;
  const loop = createSyncLoop(deps, LANE, () => {
    freed++;
  });
  const ending = new AbortController();
  const ended = loop.run(ending.signal);
  onTestFinished(() => {
    ending.abort();
    return ended;
  });
  return { deps, loop, ending, ended, freed: () => freed };
}
