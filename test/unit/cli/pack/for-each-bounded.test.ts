import { setImmediate as nextTurn } from 'node:timers/promises';
import { test } from 'vitest';
import { forEachBounded } from '../../../../cli/pack/for-each-bounded.ts';

test('every item is worked on once, never more than the limit at a time', async ({ expect }) => {
  const seen: number[] = [];
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 20 }, (_, i) => i);
  await forEachBounded(items, 3, async (item) => {
    running += 1;
    most = Math.max(most, running);
    seen.push(item);
    await nextTurn();
    running -= 1;
  });
  expect(seen).toEqual(items);
  expect(most).toBe(3);
});

test('after a failure nothing new starts, and what runs has ended when the failure is told', async ({
  expect,
}) => {
  const ended: number[] = [];
  const started: number[] = [];
  const work = async (item: number): Promise<void> => {
    started.push(item);
    if (item === 1) throw new Error('item 1');
    await nextTurn();
    await nextTurn();
    ended.push(item);
  };
  await expect(forEachBounded([0, 1, 2, 3, 4, 5], 3, work)).rejects.toThrow('item 1');
  expect(started).toEqual([0, 1, 2]);
  expect(ended).toEqual([0, 2]);
});
