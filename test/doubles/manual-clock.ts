import type { Clock } from '../../functions/ports/runtime.ts';

/** A clock that moves only when it is told to. */
export interface ManualClock extends Clock {
  /** Moves on by `ms`; sleeps that are over end, each at its own instant, and what follows from them runs. */
  advance(ms: number): Promise<void>;
  /** Moves on in small steps until the promise settles; gives its outcome. Fails after an hour of its time. */
  until<T>(promise: Promise<T>): Promise<T>;
  /** Sleeps that have not ended. */
  sleeping(): number;
}

const STEP_MS = 250;
const GIVE_UP_MS = 3_600_000;

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

  async function advance(ms: number): Promise<void> {
    const end = time + ms;
    await allThatFollows();
    for (let next = nextUntil(end); next !== undefined; next = nextUntil(end)) {
      time = Math.max(time, next.until);
      next.end();
      await allThatFollows();
    }
    time = end;
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
    advance,
    async until(promise) {
      const giveUp = time + GIVE_UP_MS;
      let settled = false;
      const settle = () => {
        settled = true;
      };
      promise.then(settle, settle);
      await allThatFollows();
      while (!settled) {
        if (time > giveUp) throw new Error('nothing came of it within an hour of clock time');
        await advance(STEP_MS);
      }
      return promise;
    },
  };
}

/** Resolves once everything that can go on without time has gone on. */
export async function allThatFollows(): Promise<void> {
  for (let round = 0; round < 20; round++) await new Promise(setImmediate);
}
