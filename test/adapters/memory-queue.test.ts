import { test } from 'vitest';
import { createMemoryQueue } from '../../functions/adapters/memory/memory-queue.ts';
import { queueContract } from '../contract/queue.ts';

queueContract('memory', async () => {
  const queue = createMemoryQueue();
  return {
    queue,
    told: async () => ({ messages: queue.take(), wakes: 0 }),
    close: async () => {},
  };
});

test('what was taken is gone', async ({ expect }) => {
  const queue = createMemoryQueue();
  await queue.publish([{ kind: 'drain', lane: 'a' }]);
  expect(queue.take()).toEqual([{ kind: 'drain', lane: 'a' }]);
  expect(queue.take()).toEqual([]);
});
