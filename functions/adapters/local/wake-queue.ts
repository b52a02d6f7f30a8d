import type { Queue } from '../../ports/queue.ts';

/**
 * The queue of one machine: it keeps nothing, the outbox rows stay the messages. Publishing calls `wake`, at once,
 * so that the loop leases due rows now and not at its next turn; a lost wake costs time only.
 */
export function createWakeQueue(wake: () => void): Queue {
  return {
    keepsMessages: false,
    async publish(messages) {
      if (messages.length > 0) wake();
    },
  };
}
