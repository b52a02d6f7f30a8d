import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../functions/ports/runtime.ts';

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /** Moves on by `ms`; what slept until then wakes in order, and does what it can at once. */
  advance(ms: number): Promise<void>;
  /** Moves on in small steps until the promise settles; gives its outcome. Fails after an hour of its time. */
  until<T>(promise: Promise<T>): Promise<T>;
}

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

const STEP_MS = 250;
const GIVE_UP_MS = 3_600_000;

/** A clock at `start` (UTC ms). */
export function createManualClock(start = Date.UTC(2026, 0, 1)): ManualClock {
  let now = start;
  const sleepers = new Set<Sleeper>();

  async function advance(ms: number): Promise<void> {
    const end = now + ms;
    for (;;) {
      await nextTurn();
      const next = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      now = Math.max(now, next.at);
      sleepers.delete(next);
      next.wake();
    }
    now = end;
    await nextTurn();
  }

  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const sleeper = { at: now + ms, wake: resolve };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
      }),
    advance,
    async until(promise) {
      const giveUp = now + GIVE_UP_MS;
      let settled = false;
      const settle = () => {
        settled = true;
      };
      promise.then(settle, settle);
      await nextTurn();
      while (!settled) {
        if (now > giveUp) throw new Error('nothing came of it within an hour of clock time');
        await advance(STEP_MS);
      }
      return promise;
    },
  };
}
