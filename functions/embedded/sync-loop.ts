import { countsOf } from '../core/counts.ts';
import type { CoreDeps } from '../core/deps.ts';
import { syncLane } from '../core/sync.ts';

const EVERY_MS = 1_000;
const FULL_EVERY_MS = 30_000;
/** Exits that come together are handled together. */
const GATHER_MS = 3;

/** Keeps a lane's jobs as its platform reports them. */
export interface SyncLoop {
  /** A job of the lane may have changed: look soon. */
  hint(): void;
  run(signal: AbortSignal): Promise<void>;
  /** When it last made a whole pass (UTC ms); at first, when it was made. */
  turnedAt(): number;
}

/**
 * Syncs a lane at once, for what ended while no service ran, then each second and at once after a hint; `freed` is called when
 * jobs moved. A service that is killed again and again within its first second still learns what its jobs did.
 */
export function createSyncLoop(deps: CoreDeps, lane: string, freed: () => void): SyncLoop {
  let early = new AbortController();
  early.abort();
  let fullAt = 0;
  let since = 0;
  let turnedAt = deps.clock.now();
  let settled: ReadonlySet<string> = new Set();

  async function pass(): Promise<void> {
    const full = deps.clock.now() >= fullAt;
    const startedAt = deps.clock.now();
    const pass = await syncLane(deps, lane, { full, wake: 'caller', since, settled });
    const { moved, groups } = pass;
    since = startedAt;
    settled = pass.settled;
    if (full) fullAt = deps.clock.now() + FULL_EVERY_MS;
    if (moved > 0) freed();
    for (const id of groups) await countsOf(deps, { kind: 'group', id });
    turnedAt = deps.clock.now();
  }

  return {
    hint: () => early.abort(),
    turnedAt: () => turnedAt,
    async run(signal) {
      while (!signal.aborted) {
        await deps.clock
          .sleep(EVERY_MS, AbortSignal.any([early.signal, signal]))
          .catch(() => undefined);
        if (signal.aborted) return;
        if (early.signal.aborted) await deps.clock.sleep(GATHER_MS);
        early = new AbortController();
        await pass().catch((error: unknown) => deps.log.error({ lane, error }, 'sync failed'));
      }
    },
  };
}
