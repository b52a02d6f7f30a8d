import type { Clock } from '../ports/runtime.ts';

/** Wakes drainers of this process before their wait is over. */
export interface LaneSignals {
  /** Waits `ms`, or less when the lane is poked. Rejects once the service ends, also for 0 ms: a slice must not outlive it. */
  wait(lane: string, ms: number): Promise<void>;
  /** Something changed on the lane: a job came, a place is free. */
  poke(lane: string): void;
}

/** Signals that end with `ending`. */
export function createLaneSignals(clock: Clock, ending: AbortSignal): LaneSignals {
  const sleepers = new Map<string, Set<AbortController>>();
  return {
    async wait(lane, ms) {
      ending.throwIfAborted();
      if (ms === 0) return;
      const early = new AbortController();
      const group = sleepers.get(lane) ?? new Set();
      sleepers.set(lane, group.add(early));
      try {
        await clock.sleep(ms, AbortSignal.any([early.signal, ending]));
      } catch {
        ending.throwIfAborted();
      } finally {
        group.delete(early);
      }
    },
    poke(lane) {
      for (const early of sleepers.get(lane) ?? []) early.abort();
    },
  };
}
