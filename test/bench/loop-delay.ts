/** How late the event loop is. */
export interface LoopDelay {
  /** Stalls over 10 ms since the last call, in ms. */
  take(): number[];
}

const EVERY_MS = 5;
const WORTH_TELLING_MS = 10;

/** Watches how much later than asked a timer comes: what stands still longer, makes every request wait so long. */
export function watchLoopDelay(): LoopDelay {
  let stalls: number[] = [];
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    const late = now - last - EVERY_MS;
    last = now;
    if (late > WORTH_TELLING_MS) stalls.push(late);
  }, EVERY_MS).unref();
  return {
    take() {
      const taken = stalls;
      stalls = [];
      return taken;
    },
  };
}
