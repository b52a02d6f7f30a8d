import type { Message } from './message.ts';

/**
 * Tells consumers that there is work; at least once. Receiving is no port. Implementations pass
 * test/contract/queue.ts.
 */
export interface Queue {
  /**
   * True: once `publish` resolves, the queue itself keeps the messages, and the outbox rows may be deleted
   * (Pub/Sub). False: the outbox rows stay the messages until they were handled (one machine).
   */
  readonly keepsMessages: boolean;
  /** Publishes; resolves once the queue has them. Throws AppError UNAVAILABLE. */
  publish(messages: readonly Message[]): Promise<void>;
}
