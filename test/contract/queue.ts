import { describe, test } from 'vitest';
import type { Message } from '../../functions/ports/message.ts';
import type { Queue } from '../../functions/ports/queue.ts';

/** What consumers were told since the last call: the messages, or only how often they were woken. */
interface Told {
  readonly messages: readonly Message[];
  readonly wakes: number;
}

/** A queue under test, empty. `told` waits for what was published, where that takes time. */
export interface OpenedQueue {
  readonly queue: Queue;
  told(expected: number): Promise<Told>;
  close(): Promise<void>;
}

const ALL_KINDS: readonly Message[] = [
  { kind: 'image', submissionId: 's1' },
  { kind: 'expand', submissionId: 's1', chunk: 3 },
  { kind: 'drain', lane: 'vertex:grüße:us-central1' },
  { kind: 'stop', submissionId: 's2' },
  { kind: 'verify', diffId: 'd'.repeat(64) },
];

/** What every Queue must do, as tests. */
export function queueContract(name: string, open: () => Promise<OpenedQueue>): void {
  describe(`Queue: ${name}`, () => {
    test('consumers are told of every published message', async ({ expect, onTestFinished }) => {
      const { queue, told, close } = await open();
      onTestFinished(close);
      await queue.publish(ALL_KINDS);
      await queue.publish(ALL_KINDS.slice(0, 1));
      const { messages, wakes } = await told(6);
      if (queue.keepsMessages) {
        expect(messages).toEqual(expect.arrayContaining([...ALL_KINDS]));
        expect(messages.length).toBeGreaterThanOrEqual(6);
      } else {
        expect(wakes).toBeGreaterThanOrEqual(1);
      }
    });

    test('publishing nothing tells nobody', async ({ expect, onTestFinished }) => {
      const { queue, told, close } = await open();
      onTestFinished(close);
      await queue.publish([]);
      expect(await told(0)).toEqual({ messages: [], wakes: 0 });
    });

    test('more than one request holds is published whole', async ({ expect, onTestFinished }) => {
      const { queue, told, close } = await open();
      onTestFinished(close);
      const many = Array.from(
        { length: 2500 },
        (_, chunk): Message => ({
          kind: 'expand',
          submissionId: 's1',
          chunk,
        }),
      );
      await queue.publish(many);
      const { messages, wakes } = await told(many.length);
      const chunks = new Set(messages.map((message) => 'chunk' in message && message.chunk));
      if (queue.keepsMessages) expect(chunks.size).toBe(many.length);
      else expect(wakes).toBeGreaterThanOrEqual(1);
      // Where each is pushed by itself, a busy machine takes its time.
    }, 120_000);
  });
}
