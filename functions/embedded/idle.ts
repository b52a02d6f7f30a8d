import type { CoreDeps } from '../core/deps.ts';

const LOOK_EVERY_MS = 15_000;

/** Tells when nobody needs the service: no request, no live job, nothing to do, for so many minutes. */
export interface IdleWatch {
  /** A request came. */
  touch(): void;
  /** Resolves when the time has passed idle, or at the signal. */
  run(signal: AbortSignal): Promise<void>;
}

/** Watches for `minutes` of idleness; `busy` says what else is going on. */
export function createIdleWatch(deps: CoreDeps, minutes: number, busy: () => boolean): IdleWatch {
  let activeAt = deps.clock.now();
  const waitMs = Math.min(LOOK_EVERY_MS, minutes * 60_000);

  async function hasLiveJob(): Promise<boolean> {
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
  async function mayHaveLiveJob(): Promise<boolean> {
    try {
      return await hasLiveJob();
    } catch (error) {
      deps.log.warn({ error: String(error) }, 'cannot tell whether a job lives');
      return true;
    }
  }

  return {
    touch() {
      activeAt = deps.clock.now();
    },
    async run(signal) {
      while (!signal.aborted) {
        await deps.clock.sleep(waitMs, signal).catch(() => undefined);
        if (signal.aborted) return;
        if (busy() || (await mayHaveLiveJob())) activeAt = deps.clock.now();
        if (deps.clock.now() - activeAt >= minutes * 60_000) return;
      }
    },
  };
}
