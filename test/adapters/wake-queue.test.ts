import { createWakeQueue } from '../../functions/adapters/local/wake-queue.ts';
import { queueContract } from '../contract/queue.ts';

queueContract('wake', async () => {
  let wakes = 0;
  const queue = createWakeQueue(() => {
    wakes += 1;
  });
  return {
    queue,
    told: async () => ({ messages: [], wakes }),
    close: async () => {},
  };
});
