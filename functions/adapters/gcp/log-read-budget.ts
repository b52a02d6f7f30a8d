import type { Clock } from '../../ports/runtime.ts';

/** How often an API with a quota for each minute may be read. */
export interface ReadBudget {
  /** Waits until a read is allowed, and counts it. */
  spend(): Promise<void>;
  /** Whether a read would not have to wait. */
  isOpen(): boolean;
  /** After a refusal: no read for a while. */
  pause(): void;
}

/** So many reads may come at once after a quiet time. */
const BURST = 20;
const PAUSE_MS = 15_000;

/** A budget of `perMinute` reads of this process; others that share the quota are felt through `pause`. */
export function createReadBudget(clock: Clock, perMinute: number): ReadBudget {
  const everyMs = 60_000 / perMinute;
  // When the next read would be due if they came evenly; it may lag behind by a burst.
  let due = 0;
  let closedUntil = 0;

  function waitMs(): number {
    const now = clock.now();
    return Math.max(0, closedUntil - now, due - (BURST - 1) * everyMs - now);
  }

  return {
    isOpen: () => waitMs() === 0,
    async spend() {
      const wait = waitMs();
      due = Math.max(due, clock.now()) + everyMs;
      if (wait > 0) await clock.sleep(wait);
    },
    pause() {
      closedUntil = clock.now() + PAUSE_MS;
    },
  };
}
