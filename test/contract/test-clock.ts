import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../functions/ports/runtime.ts';

/** A clock that stands still until it is set; its sleeps end at once. */
export interface TestClock extends Clock {
  /** The next readings. */
  set(now: number): void;
}

/** A clock at the given instant. */
export function createTestClock(start = 1_700_000_000_000): TestClock {
  let time = start;
  return {
    now: () => time,
    set(now) {
      time = now;
    },
    async sleep(_ms, signal) {
      await setImmediate();
      signal?.throwIfAborted();
    },
  };
}
