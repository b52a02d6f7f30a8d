import { countsOf } from './counts.ts';
import type { CoreDeps } from './deps.ts';
import { everyOf } from './records.ts';
import { syncLane } from './sync.ts';

/** Every so often a pass also looks up jobs that the platform's list does not show. */
const FULL_EVERY_MS = 5 * 60_000;

/**
 * Compares each lane with its platform, for a host that does so with each tick, and brings the counts of the groups that moved up to date.
 * `everyMs`: between two ticks. One lane that cannot be compared keeps no other from it; throws the first error at the end.
 */
export async function syncLanes(
  deps: CoreDeps,
  { everyMs, signal }: { readonly everyMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const full = deps.clock.now() % FULL_EVERY_MS < everyMs;
  const errors: unknown[] = [];
  for await (const { value: lane } of everyOf(deps, 'lanes', {})) {
    signal.throwIfAborted();
    try {
      const { groups } = await syncLane(deps, lane.id, { full, wake: 'message' });
      for (const id of groups) await countsOf(deps, { kind: 'group', id });
    } catch (error) {
      deps.log.error({ lane: lane.id, error: String(error) }, 'sync failed');
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
