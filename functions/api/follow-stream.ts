import { AsyncLocalStorage } from 'node:async_hooks';
import { LIMITS } from '../../shared/api/limits.ts';
import type { ApiHost } from './api-host.ts';

/** Behind `LIMITS.followMs`, when a text that nobody reads is given up (ms). */
const GRACE_MS = 5_000;

/** Makes the texts of a stream; aborted when nobody reads any more. */
export type TextSource = (signal: AbortSignal) => AsyncGenerator<string, void>;

/**
 * A body that holds one of the follower places until it ends, its reader goes, its reader has stood still for too
 * long, or the service ends. Texts are made as they are read, not ahead. Throws UNAVAILABLE when no place is free.
 */
export function followStream(
  { deps, followers, ending: serviceEnd }: Pick<ApiHost, 'deps' | 'followers' | 'ending'>,
  source: TextSource,
): ReadableStream<Uint8Array> {
  const release = followers.take();
  const ending = new AbortController();
  const texts = source(ending.signal);
  const encoder = new TextEncoder();
  // It is read when the answer has begun, outside of the request; what is logged then is still of the request.
  const inRequest = AsyncLocalStorage.snapshot();
  let close = (): void => undefined;

  function end(): void {
    release();
    // By hand: of several listeners that are to go with a signal each, Node 24 loses all but the last to its garbage collector.
    serviceEnd?.removeEventListener('abort', close);
    ending.abort(ENDED);
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        close = () => {
          end();
          controller.close();
        };
        const { signal } = ending;
        if (serviceEnd?.aborted === true) {
          close();
          return;
        }
        serviceEnd?.addEventListener('abort', close, { once: true });
        deps.clock.sleep(LIMITS.followMs + GRACE_MS, signal).then(close, () => {});
      },
      async pull(controller) {
        try {
          const { done, value } = await inRequest(() => texts.next());
          if (ending.signal.aborted) return;
          if (done !== true) {
            controller.enqueue(encoder.encode(value));
            return;
          }
          end();
          controller.close();
        } catch (error) {
          if (ending.signal.aborted) return;
          end();
          inRequest(() => deps.log.warn({ error: String(error) }, 'a followed stream broke'));
          controller.error(error);
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

const ENDED = new Error('nobody reads this stream any more');

/** One server-sent event. `data` becomes one line of JSON. */
export function serverSentEvent(event: string, data: unknown, id?: string): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`;
  return `event: ${event}\n${idLine}data: ${JSON.stringify(data)}\n\n`;
}

/** A comment: keeps a connection alive, and shows a client that the stream has begun. */
export function streamComment(text: string): string {
  return `: ${text}\n\n`;
}
