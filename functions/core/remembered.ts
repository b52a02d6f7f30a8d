import type { Clock } from '../ports/runtime.ts';

/** Something that was found out, and when (UTC ms). */
export interface Remembered<T> {
  readonly value: T;
  readonly at: number;
}

/**
 * Finds something out at most once in a while, however many ask: those who come meanwhile share what was found, or what is
 * being found. A failure is remembered by nobody. `keepMs` gives the while from how long finding out took (ms).
 */
export function remember<T>(
  clock: Pick<Clock, 'now'>,
  keepMs: (tookMs: number) => number,
  find: () => Promise<T>,
): () => Promise<Remembered<T>> {
  let known: Remembered<T> | undefined;
  let until = 0;
  let finding: Promise<Remembered<T>> | undefined;

  async function findNow(): Promise<Remembered<T>> {
    const at = clock.now();
    try {
      known = { value: await find(), at };
      until = at + keepMs(clock.now() - at);
      return known;
    } finally {
      finding = undefined;
    }
  }

  return async () => {
    if (known !== undefined && clock.now() < until) return known;
    finding ??= findNow();
    return finding;
  };
}
