/** One time that the event loop stood still (ms): by the clock, and what of it this thread computed. The rest it waited for the disk, or for its turn on a busy machine. */
export interface Stall {
  readonly ms: number;
  readonly cpuMs: number;
}

/** How late the event loop is. */
export interface LoopDelay {
  /** Stalls over 10 ms since the last call. */
  take(): Stall[];
}

const EVERY_MS = 5;
const WORTH_TELLING_MS = 10;

/** Watches how much later than asked a timer comes: what stands still longer, makes every request wait so long. */
export function watchLoopDelay(): LoopDelay {
  let stalls: Stall[] = [];
  let last = performance.now();
  let used = process.threadCpuUsage();
  setInterval(() => {
    const now = performance.now();
    const ms = now - last - EVERY_MS;
    last = now;
    const before = used;
    used = process.threadCpuUsage();
    const cpuMs = (used.user - before.user + used.system - before.system) / 1_000;
    if (ms > WORTH_TELLING_MS) stalls.push({ ms, cpuMs });
  }, EVERY_MS).unref();
  return {
    take() {
      const taken = stalls;
      stalls = [];
      return taken;
    },
  };
}
