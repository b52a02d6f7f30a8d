import { describe, test } from 'vitest';
import { outboxRow } from '../../../../functions/core/outbox.ts';
import { getOne } from '../../../../functions/core/records.ts';
import { redriveParked } from '../../../../functions/core/redrive.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import { put, StaleVersion } from '../../../../functions/ports/store.ts';
import { coreDeps, LANE, START, type TestDeps } from '../../../doubles/builders.ts';

const STOP: Message = { kind: 'stop', submissionId: 's' };
const DRAIN: Message = { kind: 'drain', lane: LANE };
const ALL = { kind: null, dryRun: false } as const;

describe('redrive of parked messages', () => {
  test('publishes them where the queue keeps messages, and forgets them', async ({ expect }) => {
    const deps = await depsWith([STOP, DRAIN]);
    expect(await redriveParked(deps, ALL)).toEqual({ count: 2, more: false });
    expect(deps.queue.take()).toEqual([STOP, DRAIN]);
    expect(await deps.store.count('dueMessages', { parked: false })).toBe(0);
    expect(await redriveParked(deps, ALL)).toEqual({ count: 0, more: false });
  });

  test('makes them due as new where rows are the messages', async ({ expect }) => {
    const { queue, ...rest } = await depsWith([STOP]);
    const deps = { ...rest, queue: { ...queue, keepsMessages: false } };
    expect(await redriveParked(deps, ALL)).toEqual({ count: 1, more: false });
    expect((await getOne(deps, 'outbox', 'row-0'))?.value).toEqual(
      outboxRow({ message: STOP }, START),
    );
    expect(queue.take()).toEqual([STOP]);
  });

  test('of one kind leaves the others', async ({ expect }) => {
    const deps = await depsWith([STOP, DRAIN]);
    expect(await redriveParked(deps, { kind: 'stop', dryRun: false })).toMatchObject({ count: 1 });
    expect(deps.queue.take()).toEqual([STOP]);
    expect(await deps.store.count('parkedMessages', { parked: true })).toBe(1);
  });

  test('counts only, with dryRun', async ({ expect }) => {
    const deps = await depsWith([STOP, DRAIN]);
    const before = deps.commits.length;
    expect(await redriveParked(deps, { kind: null, dryRun: true })).toMatchObject({ count: 2 });
    expect(await redriveParked(deps, { kind: 'stop', dryRun: true })).toMatchObject({ count: 1 });
    expect([deps.commits.length, deps.queue.take()]).toEqual([before, []]);
  });

  test('deals with a bounded number and says that there are more', async ({ expect }) => {
    const deps = await depsWith(
      Array.from({ length: 201 }, (_, at) => ({ kind: 'stop', submissionId: `s${at}` })),
    );
    expect(await redriveParked(deps, ALL)).toEqual({ count: 200, more: true });
    expect(await redriveParked(deps, ALL)).toEqual({ count: 1, more: false });
  });

  test('leaves to tick what tick took meanwhile', async ({ expect }) => {
    const deps = await depsWith([STOP, DRAIN]);
    let isFirst = true;
    const store = {
      ...deps.store,
      async commit(writes: Parameters<typeof deps.store.commit>[0]) {
        if (isFirst) {
          isFirst = false;
          await deps.store.commit([{ op: 'delete', key: { collection: 'outbox', id: 'row-0' } }]);
          throw new StaleVersion([{ collection: 'outbox', id: 'row-0' }]);
        }
        await deps.store.commit(writes);
      },
    };
    expect(await redriveParked({ ...deps, store }, ALL)).toEqual({ count: 1, more: false });
    expect(deps.queue.take()).toEqual([DRAIN]);
  });
});

async function depsWith(messages: readonly Message[]): Promise<TestDeps> {
  const deps = coreDeps();
  for (const [at, message] of messages.entries()) {
    const row = { ...outboxRow({ message }, START), attempts: 10, lastError: 'broken' };
    await deps.store.commit([
      put({ collection: 'outbox', id: `row-${at}` }, { ...row, parked: true, leasedBy: 'x' }),
    ]);
  }
  return deps;
}
