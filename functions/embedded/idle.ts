import type { CoreDeps } from '../core/deps.ts';

const LOOK_EVERY_MS = 15_000;

/** Tells when nobody needs the service: no request, no live job, nothing to do, for so many minutes. */
export interface IdleWatch {
  /** A request came. */
  touch(): void;
  /** Whether a job lives, a message waits or something is going on; also when that cannot be told. Starts the time again then. */
  isNeeded(): Promise<boolean>;
  /** Resolves when the time has passed idle, or at the signal. */
  run(signal: AbortSignal): Promise<void>;
}

/** Watches for `minutes` of idleness; `busy` says what else is going on. */
export function createIdleWatch(deps: CoreDeps, minutes: number, busy: () => boolean): IdleWatch {
  let activeAt = deps.clock.now();
  const waitMs = Math.min(LOOK_EVERY_MS, minutes * 60_000);

  async function hasWork(): Promise<boolean> {
    const waiting = await deps.store.list('dueMessages', { parked: false }, { limit: 1 });
    if (waiting.items.length > 0) return true;
    for (const { id: lane } of deps.lanes) {
      const active = await deps.store.count('activeJobsOfLane', { lane, active: true });
      const queued = await deps.store.list(
        'jobsOfLaneByState',
        { lane, state: 'QUEUED' },
        { limit: 1 },
      );
      if (active > 0 || queued.items.length > 0) return true;
    }
    return false;
  }

  // Not knowing is no reason to end, nor to fail.
  async function mayHaveWork(): Promise<boolean> {
    try {
      return await hasWork();
    } catch (error) {
      deps.log.warn({ error }, 'cannot tell whether there is work');
      return true;
    }
  }

  async function isNeeded(): Promise<boolean> {
    const needed = busy() || (await mayHaveWork()) || busy();
    if (needed) activeAt = deps.clock.now();
    return needed;
  }

  return {
    touch() {
      activeAt = deps.clock.now();
    },
    isNeeded,
    async run(signal) {
      while (!signal.aborted) {
        await deps.clock.sleep(waitMs, signal).catch(() => undefined);
        if (signal.aborted) return;
        if (await isNeeded()) continue;
        if (deps.clock.now() - activeAt >= minutes * 60_000) return;
      }
    },
  };
}
