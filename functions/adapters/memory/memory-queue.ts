import type { Message } from '../../ports/message.ts';
import type { Queue } from '../../ports/queue.ts';
import { frozenJson } from './frozen-json.ts';

/** A queue that a test or a simulation empties itself. */
export interface MemoryQueue extends Queue {
  /** Everything published since the last call, oldest first; the caller has it now. */
  take(): Message[];
}

/** A queue in this process: keeps what is published until it is taken. */
export function createMemoryQueue(): MemoryQueue {
  let waiting: Message[] = [];
  return {
    keepsMessages: true,
    async publish(messages) {
      waiting.push(...frozenJson(messages));
    },
    take() {
      const taken = waiting;
      waiting = [];
      return taken;
    },
  };
}
