import { describe, type TestContext, test } from 'vitest';
import { outboxRow } from '../../../../functions/core/outbox.ts';
import { createIdleWatch } from '../../../../functions/embedded/idle.ts';
import { put } from '../../../../functions/ports/store.ts';
import type { JobState } from '../../../../shared/jobs/job-state.ts';
import { aJob, coreDeps, LANE, START } from '../../../doubles/builders.ts';
import { saved } from '../../../doubles/store-access.ts';

const MINUTE = 60_000;
const LIVE: readonly JobState[] = ['QUEUED', 'SUBMITTING', 'SUBMITTED', 'RUNNING', 'UNKNOWN'];

describe('idle watch', () => {
  test('says so once nobody came for the whole time', async (context) => {
    const { expect } = context;
    const { deps, over } = watch(context);
    await deps.clock.advance(30 * MINUTE - 1);
    expect(over()).toBe(false);
    await deps.clock.advance(15_000);
    expect(over()).toBe(true);
  });

  test('a request starts the time again', async (context) => {
    const { expect } = context;
    const { deps, idle, over } = watch(context);
    await deps.clock.advance(20 * MINUTE);
    idle.touch();
    await deps.clock.advance(29 * MINUTE);
    expect(over()).toBe(false);
    await deps.clock.advance(2 * MINUTE);
    expect(over()).toBe(true);
  });

  test('a job that lives keeps the service, whatever it is doing', async (context) => {
    const { expect } = context;
    for (const state of LIVE) {
      const { deps, over } = watch(context);
      await saved(deps, 'jobs', aJob({ state }));
      await deps.clock.advance(120 * MINUTE);
      expect(over(), state).toBe(false);
      await saved(deps, 'jobs', aJob({ state: 'SUCCEEDED' }));
      await deps.clock.advance(31 * MINUTE);
      expect(over(), state).toBe(true);
    }
  });

  test('a message that waits for its time keeps the service', async (context) => {
    const { expect } = context;
    const { deps, idle, over } = watch(context);
    const key = { collection: 'outbox', id: 'row' } as const;
    const message = { kind: 'drain', lane: LANE } as const;
    const row = outboxRow({ message, notBefore: START + 600 * MINUTE }, START);
    await deps.store.commit([put(key, row)]);
    await deps.clock.advance(120 * MINUTE);
    expect(over()).toBe(false);
    expect(await idle.isNeeded()).toBe(true);
    await deps.store.commit([{ op: 'delete', key }]);
    expect(await idle.isNeeded()).toBe(false);
    await deps.clock.advance(31 * MINUTE);
    expect(over()).toBe(true);
  });

  test('whatever else is going on keeps it too', async (context) => {
    const { expect } = context;
    let busy = true;
    const { deps, over } = watch(context, () => busy);
    await deps.clock.advance(120 * MINUTE);
    expect(over()).toBe(false);
    busy = false;
    await deps.clock.advance(31 * MINUTE);
    expect(over()).toBe(true);
  });

  test('a store that does not answer keeps the service, and the watch goes on', async (context) => {
    const { expect } = context;
    const { deps, over } = watch(context);
    const { count } = deps.store;
    deps.store.count = () => Promise.reject(new Error('busy'));
    await deps.clock.advance(60 * MINUTE);
    expect(over()).toBe(false);
    deps.store.count = count;
    await deps.clock.advance(31 * MINUTE);
    expect(over()).toBe(true);
  });

  test('ends at the signal', async (context) => {
    const { expect } = context;
    const { deps, ending, ended } = watch(context);
    await deps.clock.advance(MINUTE);
    deps.store.count = () => Promise.reject(new Error('the store is closed'));
    ending.abort();
    await ended;
    expect(deps.clock.sleeping()).toBe(0);
  });
});

// A watch of thirty minutes that runs until the test is over.
function watch({ onTestFinished }: TestContext, busy: () => boolean = () => false) {
  const deps = coreDeps();
  const idle = createIdleWatch(deps, 30, busy);
  const ending = new AbortController();
  let isOver = false;
  const ended = idle.run(ending.signal).then(() => {
    isOver = true;
  });
  onTestFinished(() => {
    ending.abort();
    return ended;
  });
  return { deps, idle, ending, ended, over: () => isOver };
}
