import { describe, test } from 'vitest';
import { createWakeQueue } from '../../../../functions/adapters/local/wake-queue.ts';
import { createHandler } from '../../../../functions/embedded/handler.ts';
import { createLaneSignals } from '../../../../functions/embedded/lane-signals.ts';
import { aJob, aLane, aSubmission, coreDeps, LANE } from '../../../doubles/builders.ts';
import { saved, stored, waitingMessages } from '../../../doubles/store-access.ts';

const DRAIN = { kind: 'drain', lane: LANE } as const;

describe('handling messages on one machine', () => {
  test('a drainer that the end breaks off leaves its message as a new one, and its lane free', async ({
    expect,
  }) => {
    const { deps, ending, handling } = await aWaitingDrainer();
    ending.abort();
    await handling;
    expect(await waitingMessages(deps)).toEqual([{ message: DRAIN, notBefore: deps.clock.now() }]);
    const [row] = (await deps.store.list('dueMessages', { parked: false }, { limit: 9 })).items;
    expect(row?.value).toMatchObject({ attempts: 0, lastError: null });
    expect((await stored(deps, 'lanes', LANE)).value.leaseUntil).toBe(0);
    expect(deps.logged).toEqual([]);
    expect(deps.lines.at(-1)).toMatchObject({
      message: 'message left to the next start',
      fields: { kind: 'drain', lane: LANE },
    });
  });

  test('a failure of any other time is thrown', async ({ expect }) => {
    const deps = coreDeps();
    const ending = new AbortController().signal;
    const handle = createHandler(deps, createLaneSignals(deps.clock, ending), ending);
    deps.store.get = () => Promise.reject(new Error('disk full'));
    await expect(handle(DRAIN)).rejects.toThrow('disk full');
  });
});

// A drainer with a job to submit and no free place.
async function aWaitingDrainer() {
  const ending = new AbortController();
  const parts = coreDeps({ policy: { maxActive: 1 } });
  const signals = createLaneSignals(parts.clock, ending.signal);
  let waiting = () => {};
  const waits = new Promise<void>((resolve) => {
    waiting = resolve;
  });
  const deps = {
    ...parts,
    queue: createWakeQueue(() => undefined),
    waitOnLane: (lane: string, ms: number) => {
      waiting();
      return signals.wait(lane, ms);
    },
  };
  await saved(deps, 'lanes', aLane({ policy: { maxActive: 1 } }));
  await saved(deps, 'submissions', aSubmission({ count: 2 }));
  await saved(deps, 'jobs', aJob({ state: 'RUNNING', index: 0 }));
  await saved(deps, 'jobs', aJob({ index: 1 }));
  const handling = createHandler(deps, signals, ending.signal)(DRAIN);
  await waits;
  return { deps, ending, handling };
}
