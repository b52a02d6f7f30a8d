import { isTerminal, JOB_STATES, type JobState } from '../../shared/jobs/job-state.ts';
import { type CountsDoc, SCHEMA_VERSION, type SubmissionDoc } from '../ports/documents.ts';
import { isHostTrouble } from '../ports/host-trouble.ts';
import { put, StaleVersion, type Write } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { getOne } from './records.ts';

type CountsDeps = Pick<CoreDeps, 'store' | 'clock' | 'timing'>;

/** Whose jobs are counted. */
export type CountsScope =
  | { readonly kind: 'group'; readonly id: string }
  | { readonly kind: 'submission'; readonly doc: SubmissionDoc };

/**
 * Jobs by state. One derived document, recomputed (never incremented) when it is older than `countsMs` and not settled;
 * of two that recompute at once the loser uses the winner's. Who loses to an acceptance tells what it counted, as not settled.
 * Counts taken before `since` are computed again however young they are.
 */
export async function countsOf(
  deps: CountsDeps,
  scope: CountsScope,
  since = 0,
): Promise<CountsDoc> {
  const id = countsIdOf(scope);
  const stored = await getOne(deps, 'counts', id);
  if (stored !== undefined && isFresh(deps, stored.value, since)) return stored.value;
  const counts = await recount(deps, scope, id);
  try {
    const expect = stored === undefined ? 'absent' : { version: stored.version };
    await deps.store.commit([put({ collection: 'counts', id }, counts, expect)], 'now-or-never');
    return counts;
  } catch (error) {
    // A read never waits behind writes: what was counted is true, only kept by nobody.
    if (isHostTrouble(error)) return { ...counts, settled: false };
    if (!(error instanceof StaleVersion)) throw error;
    const winner = (await getOne(deps, 'counts', id))?.value;
    return winner !== undefined && isFresh(deps, winner, since)
      ? winner
      : { ...counts, settled: false };
  }
}

/**
 * Counts of a group that are no older than any of its jobs as they are now: whoever has just read jobs must not see counts that
 * contradict them. Kept ones are told when nothing changed since, which is one look at an index.
 */
export async function countsAsNewAsJobs(deps: CountsDeps, groupId: string): Promise<CountsDoc> {
  const scope: CountsScope = { kind: 'group', id: groupId };
  const now = deps.clock.now();
  const counts = await countsOf(deps, scope);
  const isNew = counts.settled || counts.computedAt >= now;
  // A commit may have been on its way while they were counted, or the store's clock be another one.
  const since = counts.computedAt - deps.timing.skewMs;
  return isNew || !(await hasChangedSince(deps, groupId, since))
    ? counts
    : countsOf(deps, scope, now);
}

async function hasChangedSince(
  { store }: CountsDeps,
  groupId: string,
  since: number,
): Promise<boolean> {
  const after = { value: since, id: '' };
  const { items } = await store.list('changedJobsOfGroup', { groupId }, { limit: 1, after });
  return items.length > 0;
}

/** Where the counts of a scope are kept. */
export function countsIdOf(scope: CountsScope): string {
  return scope.kind === 'group' ? `group-${scope.id}` : `submission-${scope.doc.id}`;
}

/** Counted now, written nowhere: for a reader that must not write, and for checks. */
export async function recount(deps: CountsDeps, scope: CountsScope, id = ''): Promise<CountsDoc> {
  const computedAt = deps.clock.now();
  // Whether everything is expanded is read first: what is created in between is live and keeps the counts unsettled.
  const allExpanded =
    scope.kind === 'group'
      ? (await deps.store.count('unexpandedOfGroup', { groupId: scope.id, expanded: false })) === 0
      : scope.doc.expanded;
  const counted = await Promise.all(
    JOB_STATES.map(async (state) => [state, await countState(deps, scope, state)] as const),
  );
  const byState = zeroCounts();
  let ended = 0;
  let live = 0;
  for (const [state, count] of counted) {
    byState[state] = count;
    if (isTerminal(state)) ended += count;
    else live += count;
  }
  return {
    schemaVersion: SCHEMA_VERSION,
    id,
    byState,
    computedAt,
    settled: allExpanded && live === 0 && ended === (await countAll(deps, scope)),
  };
}

// However they move meanwhile, each job is in it: one that moves between two states while states are counted may be in neither count.
async function countAll({ store }: CountsDeps, scope: CountsScope): Promise<number> {
  if (scope.kind === 'group') return store.count('jobsOfGroup', { groupId: scope.id });
  const of = { submissionId: scope.doc.id };
  const live = await store.count('liveJobsOfSubmission', { ...of, live: true });
  return live + (await store.count('liveJobsOfSubmission', { ...of, live: false }));
}

/**
 * Makes a group's counts stale, in the commit that adds to the group: settled counts would never be computed again. Written
 * without an expectation: whoever is recounting right now loses its commit to this one.
 */
export function staleCounts(groupId: string): Write {
  return stale(`group-${groupId}`);
}

/** The same for a submission, and for its group: for jobs that came after both were settled. */
export function staleCountsOf(submission: Pick<SubmissionDoc, 'id' | 'groupId'>): Write[] {
  return [staleCounts(submission.groupId), stale(`submission-${submission.id}`)];
}

function stale(id: string): Write {
  return put(
    { collection: 'counts', id },
    { schemaVersion: SCHEMA_VERSION, id, byState: zeroCounts(), computedAt: 0, settled: false },
  );
}

function isFresh(deps: CountsDeps, counts: CountsDoc, since: number): boolean {
  if (counts.settled) return true;
  const ageMs = deps.clock.now() - counts.computedAt;
  return counts.computedAt >= since && ageMs < deps.timing.countsMs;
}

function countState(deps: CountsDeps, scope: CountsScope, state: JobState): Promise<number> {
  return scope.kind === 'group'
    ? deps.store.count('jobsOfGroupByState', { groupId: scope.id, state })
    : deps.store.count('jobsOfSubmissionByState', { submissionId: scope.doc.id, state });
}

/** No job in any state. */
export function zeroCounts(): Record<JobState, number> {
  return {
    QUEUED: 0,
    SUBMITTING: 0,
    SUBMITTED: 0,
    RUNNING: 0,
    UNKNOWN: 0,
    SUCCEEDED: 0,
    FAILED: 0,
    STOPPED: 0,
  };
}
