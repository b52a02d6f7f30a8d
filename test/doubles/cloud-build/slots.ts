/** How many may work at once; the others wait in turn. */
export interface Slots {
  /** Resolves with the way to give it back. Rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<() => void>;
  limit(count: number): void;
}

export function createSlots(count: number): Slots {
  const waiting: (() => void)[] = [];
  let limit = count;
  let taken = 0;

  function serve(): void {
    while (taken < limit && waiting.length > 0) {
      taken += 1;
      waiting.shift()?.();
    }
  }

  function release(): void {
    taken -= 1;
    serve();
  }

  return {
    limit(next) {
      limit = next;
      serve();
    },
    take: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const got = () => {
          signal.removeEventListener('abort', gone);
          resolve(release);
        };
        const gone = () => {
          waiting.splice(waiting.indexOf(got), 1);
          reject(signal.reason);
        };
        signal.addEventListener('abort', gone);
        waiting.push(got);
        serve();
      }),
  };
}
