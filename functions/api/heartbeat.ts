import type { Clock } from '../ports/runtime.ts';
import { streamComment } from './follow-stream.ts';

/** Proxies and clients give up a connection that is silent for longer (ms). */
const HEARTBEAT_MS = 15_000;

/** Gives the text to send after each look: what is new, or from time to time a comment, or undefined. */
export function createHeartbeat(clock: Pick<Clock, 'now'>): (text: string) => string | undefined {
  let spokeAt = clock.now();
  return (text) => {
    const now = clock.now();
    if (text === '' && now - spokeAt < HEARTBEAT_MS) return undefined;
    spokeAt = now;
    return text === '' ? streamComment('still here') : text;
  };
}
