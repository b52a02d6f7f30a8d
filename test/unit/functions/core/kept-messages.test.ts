import { describe, test } from 'vitest';
import { handleInSlices } from '../../../../functions/consumers/in-slices.ts';
import { accept } from '../../../../functions/core/accept.ts';
import { drainLane } from '../../../../functions/core/drain.ts';
import { commitAndPublish, publishNow, waitIdOf } from '../../../../functions/core/outbox.ts';
import { getOne } from '../../../../functions/core/records.ts';
import { redriveParked } from '../../../../functions/core/redrive.ts';
import { tick } from '../../../../functions/core/tick.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import type { Queue } from '../../../../functions/ports/queue.ts';
import { put } from '../../../../functions/ports/store.ts';
import { aSpec } from '../../../doubles/a-spec.ts';
import {
  aJob,
  aLane,
  aPrincipal,
  aSubmission,
  coreDeps,
  LANE,
  START,
  type TestDeps,
} from '../../../doubles/builders.ts';
import { beforeCommit, saved, submissionNow } from '../../../doubles/store-access.ts';

// What holds where the queue keeps messages, as Pub/Sub does.
const STOP: Message = { kind: 'stop', submissionId: 'submission' };
const IMAGE: Message = { kind: 'image', submissionId: 'submission' };
const CODE = aSpec().codeLayers[0] ?? '';
const MINUTE = 60_000;

const waitOf = (deps: TestDeps, message: Message) => getOne(deps, 'outbox', waitIdOf(message));

function failingFor(queue: Queue, kind: Message['kind']): Queue {
  return {
    ...queue,
    publish: (messages) =>
      messages.some((each) => each.kind === kind)
        ? Promise.reject(new Error(`no topic for ${kind}`))
        : queue.publish(messages),
  };
}

describe('published rows', () => {
  test('a wait that was put anew meanwhile stays', async ({ expect }) => {
    const deps = coreDeps();
    await commitAndPublish(deps, [], [{ message: STOP, notBefore: START + 5 }]);
    const old = await waitOf(deps, STOP);
    await commitAndPublish(deps, [], [{ message: STOP, notBefore: START + 90_000 }]);
    await deps.clock.advance(10);
    const row = { id: waitIdOf(STOP), doc: old?.value ?? never(), version: old?.version ?? '' };
    await publishNow(deps, [row]);
    expect((await waitOf(deps, STOP))?.value.notBefore).toBe(START + 90_000);
  });

  test('of several the others are deleted all the same', async ({ expect }) => {
    const deps = coreDeps();
    const doc = (id: string) => ({ ...rowFor({ kind: 'stop', submissionId: id }) });
    const ids = ['a', 'b', 'c'];
    await deps.store.commit(ids.map((id) => put({ collection: 'outbox', id }, doc(id))));
    const rows = await Promise.all(
      ids.map(async (id) => {
        const found = await getOne(deps, 'outbox', id);
        return { id, doc: doc(id), version: id === 'b' ? 'older' : (found?.version ?? '') };
      }),
    );
    await publishNow(deps, rows);
    const left = await deps.store.list('dueMessages', { parked: false }, { limit: 10 });
    expect(left.items.map(({ key }) => key.id)).toEqual(['b']);
  });

  test('a kind that cannot be published neither repeats nor hides the others', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const broken = { ...deps, queue: failingFor(deps.queue, 'verify') };
    const verify = { kind: 'verify', diffId: CODE } as const;
    await commitAndPublish(broken, [], [{ message: verify }, { message: STOP }]);
    for (let times = 0; times < 5; times++) await tick(broken);
    expect(deps.queue.take()).toEqual([STOP]);
    await tick(deps);
    expect(deps.queue.take()).toEqual([verify]);
  });
});

test('tick does not publish a wait whose handler goes on with it', async ({ expect }) => {
  const deps = coreDeps();
  let handled = 0;
  const handling = handleInSlices(deps, STOP, {
    slice: { endAt: START + 50_000, signal: new AbortController().signal },
    async handle() {
      handled += 1;
      if (handled > 1) return deps.clock.sleep(30_000);
      const notBefore = deps.clock.now() + 1_000;
      return commitAndPublish(deps, [], [{ message: STOP, notBefore }]);
    },
  });
  await deps.clock.advance(10_000);
  expect(handled).toBe(2);
  await tick(deps);
  // Another delivery of the same message leaves it to the first.
  await handleInSlices(deps, STOP, {
    slice: { endAt: START + 50_000, signal: new AbortController().signal },
    handle: async () => undefined,
  });
  expect([deps.queue.take(), handled]).toEqual([[], 2]);
  await deps.clock.until(handling);
  expect(await waitOf(deps, STOP)).toBeUndefined();
});

describe('layers that nobody verified', () => {
  const unverified = (deps: TestDeps): TestDeps => ({
    ...deps,
    layers: { ...deps.layers, check: async (ids) => ids.map(() => ({ state: 'complete' })) },
  });

  test('are asked for when a submission that names them is accepted', async ({ expect }) => {
    const deps = unverified(coreDeps());
    await accept(deps, { principal: aPrincipal(), idempotencyKey: 'key', spec: aSpec() });
    expect(deps.queue.take()).toContainEqual({ kind: 'verify', diffId: CODE });
  });

  test('are asked for again while a submission waits for them', async ({ expect }) => {
    const deps = unverified(coreDeps());
    await saved(deps, 'submissions', aSubmission({ imageState: 'waiting', run: null }));
    await deps.clock.advance(2 * MINUTE);
    await tick(deps);
    expect(deps.queue.take()).toContainEqual({ kind: 'verify', diffId: CODE });
  });
});

test('what was brought back meanwhile is not given up', async ({ expect }) => {
  const deps = coreDeps();
  await saved(deps, 'submissions', aSubmission({ imageState: 'waiting', run: null }));
  const parked = { ...rowFor(IMAGE), parked: true, attempts: 10, lastError: 'Error: away' };
  await deps.store.commit([put({ collection: 'outbox', id: 'parked' }, parked)]);
  const store = beforeCommit(
    deps.store,
    (writes) => writes.some(({ op, key }) => op === 'delete' && key.id === 'parked'),
    async () => void (await redriveParked(deps, { kind: null, dryRun: false })),
  );
  await tick({ ...deps, store });
  expect(await submissionNow(deps)).toMatchObject({ ending: 'none', imageState: 'waiting' });
});

describe('a lane', () => {
  test('that is full holds no drainer, and is woken by the place that comes free', async ({
    expect,
  }) => {
    const deps = coreDeps({ policy: { maxActive: 1 } });
    await saved(deps, 'lanes', aLane({ policy: { maxActive: 1 } }));
    await saved(deps, 'submissions', aSubmission());
    await saved(deps, 'jobs', aJob({ index: 0, state: 'RUNNING', ref: 'ref-1' }));
    await saved(deps, 'jobs', aJob({ index: 1 }));
    await drainLane(deps, LANE);
    expect(deps.clock.now()).toBe(START);
    expect(deps.queue.take()).toEqual([]);
    const left = await deps.store.count('dueMessages', { parked: false });
    expect(left).toBe(0);
    await tick(deps);
    expect(deps.queue.take()).toEqual([{ kind: 'drain', lane: LANE }]);
  });

  test('has the policy that is set now', async ({ expect }) => {
    const deps = coreDeps({ policy: { ratePerMinute: 7, maxActive: 3 } });
    await saved(deps, 'lanes', aLane({ policy: { ratePerMinute: null, maxActive: 100 } }));
    await tick(deps);
    expect((await getOne(deps, 'lanes', LANE))?.value.policy).toEqual({
      ratePerMinute: 7,
      maxActive: 3,
    });
  });
});

function rowFor(message: Message) {
  return {
    schemaVersion: 1,
    message,
    kind: message.kind,
    notBefore: START,
    attempts: 0,
    parked: false,
    leasedBy: null,
    lastError: null,
  };
}

function never(): never {
  throw new Error('the row is not there');
}
