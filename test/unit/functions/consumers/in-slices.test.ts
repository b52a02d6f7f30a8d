import { test } from 'vitest';
import { handleInSlices } from '../../../../functions/consumers/in-slices.ts';
import { commitAndPublish, waitIdOf } from '../../../../functions/core/outbox.ts';
import { getOne } from '../../../../functions/core/records.ts';
import { tick } from '../../../../functions/core/tick.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import { coreDeps, START, type TestDeps } from '../../../doubles/builders.ts';

const MESSAGE: Message = { kind: 'stop', submissionId: 'submission' };
const SLICE_MS = 50_000;

// A handler that leaves itself a wait of `waitMs` the first `times`.
function waiter(deps: TestDeps, waitMs: number, times: number) {
  const handledAt: number[] = [];
  const handle = async () => {
    handledAt.push(deps.clock.now() - START);
    if (handledAt.length > times) return;
    const notBefore = deps.clock.now() + waitMs;
    await commitAndPublish(deps, [], [{ message: MESSAGE, notBefore }]);
  };
  return { handledAt, handle };
}

function sliceOf(deps: TestDeps, signal = new AbortController().signal) {
  return { endAt: deps.clock.now() + SLICE_MS, signal };
}

const waitOf = (deps: TestDeps) => getOne(deps, 'outbox', waitIdOf(MESSAGE));

test('waits that end within the slice are waited for here, and nothing is left of them', async ({
  expect,
}) => {
  const deps = coreDeps();
  const { handledAt, handle } = waiter(deps, 2_000, 3);
  await deps.clock.until(handleInSlices(deps, MESSAGE, { slice: sliceOf(deps), handle }));
  expect(handledAt).toEqual([0, 2_000, 4_000, 6_000]);
  expect(await waitOf(deps)).toBeUndefined();
  expect(deps.queue.take()).toEqual([]);
});

test('a short wait that is left at the end of the slice is published for the next one', async ({
  expect,
}) => {
  const deps = coreDeps();
  const { handledAt, handle } = waiter(deps, 10_000, 100);
  await deps.clock.until(handleInSlices(deps, MESSAGE, { slice: sliceOf(deps), handle }));
  expect(handledAt).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000]);
  expect(deps.queue.take()).toEqual([MESSAGE]);
  expect(await waitOf(deps)).toBeUndefined();
});

test('a long wait is left to tick, which publishes it once its time has come', async ({
  expect,
}) => {
  const deps = coreDeps();
  const { handledAt, handle } = waiter(deps, 90_000, 1);
  await deps.clock.until(handleInSlices(deps, MESSAGE, { slice: sliceOf(deps), handle }));
  expect(handledAt).toEqual([0]);
  await tick(deps);
  expect(deps.queue.take()).toEqual([]);
  await deps.clock.advance(90_000);
  await tick(deps);
  expect(deps.queue.take()).toEqual([MESSAGE]);
  expect(await waitOf(deps)).toBeUndefined();
});

test('of two handlers of one message one goes on with the wait', async ({ expect }) => {
  const deps = coreDeps();
  const { handledAt, handle } = waiter(deps, 2_000, 2);
  const both = Promise.all([
    handleInSlices(deps, MESSAGE, { slice: sliceOf(deps), handle }),
    handleInSlices(deps, MESSAGE, { slice: sliceOf(deps), handle }),
  ]);
  await deps.clock.until(both);
  expect(handledAt).toEqual([0, 0, 2_000]);
  expect(await waitOf(deps)).toBeUndefined();
});

test('a wait whose handling fails comes back by tick', async ({ expect }) => {
  const deps = coreDeps();
  const { handle } = waiter(deps, 2_000, 1);
  let calls = 0;
  const failing = async () => {
    calls += 1;
    if (calls === 2) throw new Error('the second handling fails');
    await handle();
  };
  const handled = handleInSlices(deps, MESSAGE, { slice: sliceOf(deps), handle: failing });
  await expect(deps.clock.until(handled)).rejects.toThrow('the second handling fails');
  expect((await waitOf(deps))?.value.leasedBy).not.toBeNull();
  await deps.clock.advance(125_000);
  await tick(deps);
  expect(deps.queue.take()).toEqual([MESSAGE]);
});

test('a host that ends breaks the wait off, and the wait stays', async ({ expect }) => {
  const deps = coreDeps();
  const ending = new AbortController();
  const { handledAt, handle } = waiter(deps, 5_000, 9);
  const slice = sliceOf(deps, ending.signal);
  const handled = handleInSlices(deps, MESSAGE, { slice, handle });
  const failed = handled.catch((error: unknown) => error);
  await deps.clock.advance(7_000);
  ending.abort(new Error('the host ends'));
  expect(await deps.clock.until(failed)).toMatchObject({ message: 'the host ends' });
  expect(handledAt).toEqual([0, 5_000]);
  expect(await waitOf(deps)).toBeDefined();
});
