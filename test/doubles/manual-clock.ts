import type { Clock } from '../../functions/ports/runtime.ts';

/** A clock that moves only when it is told to. */
export interface ManualClock extends Clock {
  /** Moves on by `ms`; sleeps that are over end, each at its own instant, and what follows from them runs. */
  advance(ms: number): Promise<void>;
  /** Sleeps that have not ended. */
  sleeping(): number;
}

interface Sleeper {
  readonly until: number;
  readonly end: () => void;
}

/** A clock that stands at the given instant. */
export function createManualClock(start = Date.UTC(2026, 0, 1)): ManualClock {
  let time = start;
  const sleepers = new Set<Sleeper>();

  function nextUntil(end: number): Sleeper | undefined {
    const due = [...sleepers].filter(({ until }) => until <= end);
    return due.toSorted((a, b) => a.until - b.until)[0];
  }

  return {
    now: () => time,
    sleeping: () => sleepers.size,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        const sleeper = {
          until: time + ms,
          end: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
      }),
    async advance(ms) {
      const end = time + ms;
      await allThatFollows();
      for (let next = nextUntil(end); next !== undefined; next = nextUntil(end)) {
        time = Math.max(time, next.until);
        next.end();
        await allThatFollows();
      }
      time = end;
    },
  };
}

/** Resolves once everything that can go on without time has gone on. */
export async function allThatFollows(): Promise<void> {
  for (let round = 0; round < 20; round++) await new Promise(setImmediate);
}
