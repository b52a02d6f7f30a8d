import type { CountsView } from '../../shared/api/groups.ts';
import type { JobView } from '../../shared/api/jobs.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import type { GroupDoc } from '../ports/documents.ts';
import type { Cursor } from '../ports/store.ts';
import { countsOf } from './counts.ts';
import { countsView } from './counts-view.ts';
import type { CoreDeps } from './deps.ts';
import { listChangedJobs } from './read-jobs.ts';

/** Between two looks at a group (ms). */
const POLL_MS = 1_000;
const BATCH = 200;

/** What one look at a group found; nothing new is told too. */
export interface GroupNews {
  readonly jobs: readonly { readonly job: JobView; readonly at: Cursor }[];
  readonly counts: CountsView;
}

/**
 * Jobs of a group as they change, from a place on (undefined: first every job as it is), and the group's counts, look by
 * look, until `LIMITS.followMs` passed. Level-triggered: of several changes between two looks the last is told.
 * Rejects with the signal's reason when aborted.
 */
export async function* followGroup(
  deps: Pick<CoreDeps, 'store' | 'clock' | 'timing'>,
  group: GroupDoc,
  from: { readonly after: Cursor | undefined; readonly signal: AbortSignal },
): AsyncGenerator<GroupNews, void> {
  const until = deps.clock.now() + LIMITS.followMs;
  let { after } = from;
  while (deps.clock.now() < until) {
    const jobs = await listChangedJobs(deps, group, { limit: BATCH, after });
    const counts = await countsOf(deps, { kind: 'group', id: group.id });
    yield { jobs, counts: countsView(counts) };
    from.signal.throwIfAborted();
    after = jobs.at(-1)?.at ?? after;
    if (jobs.length < BATCH) await deps.clock.sleep(POLL_MS, from.signal);
  }
}
