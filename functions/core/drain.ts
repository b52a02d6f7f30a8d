import type { SubmissionDoc, TokenBlock } from '../ports/documents.ts';
import { isHostTrouble } from '../ports/host-trouble.ts';
import { put, StaleVersion, type Stored } from '../ports/store.ts';
import { claimJobs, isClaimable, submitClaimed } from './claim.ts';
import { recoverClaims } from './claim-recovery.ts';
import type { CoreDeps } from './deps.ts';
import { serve, type Waiting } from './gate.ts';
import { keepLease, type Lease, releaseLease, reserveBlock, takeLease } from './lane.ts';
import { commitAndPublish } from './outbox.ts';
import { everyOf, getOne } from './records.ts';

/** Jobs submitted at the same time. */
const PARALLEL = 8;
/** Jobs claimed at once. */
const BATCH = 32;
/** Open submissions looked at, and kept of each principal: the oldest are served first, so more are never needed. */
const OPEN_SUBMISSIONS = 20_000;
const KEPT_OF_EACH = 20;

/** A drainer's state during one slice. */
interface Slice {
  readonly laneId: string;
  readonly lease: Lease;
  readonly endAt: number;
  open: { readonly at: number; readonly submissions: readonly Stored<'submissions'>[] };
  block: TokenBlock | undefined;
  spent: number;
  busyUntil: number;
}

/** What a step found: go on at once, wait, or end the slice. */
type Step =
  | { readonly kind: 'go' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'end' };

/**
 * One slice of the lane's drainer: serves waiting jobs by fair share, as fast as the lane's policy allows and no faster. Ends at
 * once when another drainer holds the lane. At its end looks once more, and leaves a message when there is something left.
 */
export async function drainLane(deps: CoreDeps, laneId: string): Promise<void> {
  const lease = await takeLease(deps, laneId);
  if (lease === undefined) return;
  const slice: Slice = {
    laneId,
    lease,
    endAt: deps.clock.now() + deps.timing.sliceMs,
    open: { at: Number.NEGATIVE_INFINITY, submissions: [] },
    block: undefined,
    spent: 0,
    busyUntil: 0,
  };
  try {
    await runSlice(deps, slice);
  } finally {
    await giveBack(deps, slice);
  }
  await leaveWake(deps, slice);
}

// A slice that breaks off is repeated by its message, which must not meet a lease that nobody uses: while nothing can be written it is
// tried again, as long as the lease would last anyway.
async function giveBack(deps: CoreDeps, { laneId, lease }: Slice): Promise<void> {
  for (;;) {
    try {
      return await releaseLease(deps, lease);
    } catch (error) {
      const isOver = deps.clock.now() >= lease.lane.value.leaseUntil;
      if (isOver || !isHostTrouble(error)) throw error;
    }
    await deps.waitOnLane(laneId, deps.timing.idleWaitMs);
  }
}

async function runSlice(deps: CoreDeps, slice: Slice): Promise<void> {
  const { laneId, lease, endAt } = slice;
  while (deps.clock.now() < endAt && (await keepLease(deps, lease))) {
    const step = await drainStep(deps, slice);
    if (step.kind === 'end') return;
    // Also between two batches: a lane with places for all would keep an ending host from its end.
    const ms = step.kind === 'wait' ? Math.max(1, Math.min(step.ms, endAt - deps.clock.now())) : 0;
    await deps.waitOnLane(laneId, ms);
  }
}

async function drainStep(deps: CoreDeps, slice: Slice): Promise<Step> {
  const recovered = await recoverClaims(deps, slice.laneId, slice.lease.holder);
  if (recovered > 0) return { kind: 'go' };
  if (slice.busyUntil > deps.clock.now())
    return { kind: 'wait', ms: slice.busyUntil - deps.clock.now() };
  const open = await openSubmissions(deps, slice);
  if (open.length === 0) return { kind: 'end' };
  const places = await freePlaces(deps, slice);
  if (typeof places !== 'number') return places;
  const waiting = await waitingJobs(deps, slice, places);
  const served = serve(waiting, slice.lease.times, places);
  if (served.jobs.length === 0) return nothingDue(deps, slice);
  slice.lease.times = served.times;
  await submitJobs(deps, slice, served.jobs);
  return { kind: 'go' };
}

async function openSubmissions(
  deps: CoreDeps,
  slice: Slice,
): Promise<readonly Stored<'submissions'>[]> {
  const now = deps.clock.now();
  if (now - slice.open.at < deps.timing.openListMs && slice.open.submissions.length > 0)
    return slice.open.submissions;
  const submissions: Stored<'submissions'>[] = [];
  const kept = new Map<string, number>();
  let seen = 0;
  for await (const submission of everyOf(deps, 'openSubmissions', { openLane: slice.laneId })) {
    const { principal, stopRequestedAt } = submission.value;
    const have = kept.get(principal) ?? 0;
    if (stopRequestedAt === null && have < KEPT_OF_EACH) {
      submissions.push(submission);
      kept.set(principal, have + 1);
    }
    if (++seen === OPEN_SUBMISSIONS) break;
  }
  slice.open = { at: now, submissions };
  return submissions;
}

// How many jobs may be submitted right now: bounded by what is active (counted, never remembered) and by the tokens whose time has come.
async function freePlaces(deps: CoreDeps, slice: Slice): Promise<number | Step> {
  const { policy, platform } = slice.lease.lane.value;
  const active = await deps.store.count('activeJobsOfLane', { lane: slice.laneId, active: true });
  const ahead = deps.platforms.get(platform)?.ahead?.() ?? 0;
  const room = policy.maxActive + ahead - active;
  if (room <= 0) return idle(deps);
  if (policy.ratePerMinute === null) return Math.min(room, BATCH);
  if (slice.block === undefined || slice.spent >= slice.block.count) {
    slice.block = await reserveBlock(deps, slice.lease, room);
    slice.spent = 0;
    if (slice.block === undefined) return { kind: 'end' };
  }
  const { start, count, intervalMs } = slice.block;
  const elapsed = deps.clock.now() - start;
  const due = Math.min(count, Math.floor(elapsed / intervalMs) + 1) - slice.spent;
  if (elapsed < 0 || due <= 0)
    return { kind: 'wait', ms: Math.ceil(slice.spent * intervalMs - elapsed) };
  return Math.min(due, room, BATCH);
}

// Enough of each submission's due jobs to fill the places whoever is served; submissions with nothing left are closed on the way.
async function waitingJobs(deps: CoreDeps, slice: Slice, places: number): Promise<Waiting[]> {
  const waiting: Waiting[] = [];
  const filled = new Map<string, number>();
  for (const stored of slice.open.submissions) {
    const submission = stored.value;
    const have = filled.get(submission.principal) ?? 0;
    if (have >= places) continue;
    const now = deps.clock.now();
    const page = await deps.store.list(
      'jobsOfSubmissionByState',
      { submissionId: submission.id, state: 'QUEUED', atMost: now },
      { limit: places },
    );
    const jobs = page.items.filter((job) => isClaimable(job.value, now));
    if (jobs.length === 0) await closeIfDrained(deps, submission);
    else waiting.push({ submission, jobs });
    filled.set(submission.principal, have + jobs.length);
  }
  return waiting;
}

// Closed for the drainer: expanded, and nothing of it waits or may come back to waiting.
async function closeIfDrained(deps: CoreDeps, seen: SubmissionDoc): Promise<void> {
  const stored = await getOne(deps, 'submissions', seen.id);
  if (stored === undefined || !stored.value.expanded || stored.value.openLane === null) return;
  for (const state of ['QUEUED', 'SUBMITTING'] as const) {
    if ((await deps.store.count('jobsOfSubmissionByState', { submissionId: seen.id, state })) > 0)
      return;
  }
  try {
    await deps.store.commit([
      put(stored.key, { ...stored.value, openLane: null }, { version: stored.version }),
    ]);
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
  }
}

function nothingDue(deps: CoreDeps, slice: Slice): Step {
  slice.open = { at: Number.NEGATIVE_INFINITY, submissions: [] };
  return idle(deps);
}

// Where messages wake the drainer (a place that came free, jobs that were created) and tick those whose instant has come, waiting would only
// keep an instance from its end.
function idle({ queue, timing }: CoreDeps): Step {
  return queue.keepsMessages ? { kind: 'end' } : { kind: 'wait', ms: timing.idleWaitMs };
}

async function submitJobs(
  deps: CoreDeps,
  slice: Slice,
  jobs: readonly Stored<'jobs'>[],
): Promise<void> {
  const submissions = new Map(slice.open.submissions.map(({ value }) => [value.id, value]));
  const claimed = await claimJobs(deps, slice.lease.holder, jobs);
  slice.spent += claimed.length;
  deps.meters.count('caliban_lane_claims_total', { lane: slice.laneId }, claimed.length);
  // Someone else moved one of them: what we hold is old.
  if (claimed.length < jobs.length) slice.open = { at: Number.NEGATIVE_INFINITY, submissions: [] };
  for (let from = 0; from < claimed.length; from += PARALLEL) {
    await Promise.all(
      claimed.slice(from, from + PARALLEL).map(async (job) => {
        const submission = submissions.get(job.value.submissionId);
        if (submission === undefined) return;
        const outcome = await submitClaimed(deps, job, submission);
        const labels = { lane: slice.laneId, outcome: outcome.kind };
        deps.meters.count('caliban_lane_submits_total', labels);
        if (outcome.kind === 'busy') slice.busyUntil = Math.max(slice.busyUntil, outcome.untilMs);
      }),
    );
  }
}

// A wake that met our lease ended at once, perhaps after our last look: so look once more, the lease being free again.
async function leaveWake(deps: CoreDeps, slice: Slice): Promise<void> {
  if (deps.queue.keepsMessages) return leaveWakeForWork(deps, slice);
  const open = await deps.store.list('openSubmissions', { openLane: slice.laneId }, { limit: 1 });
  const claims = await deps.store.list(
    'stuckClaims',
    { lane: slice.laneId, state: 'SUBMITTING' },
    { limit: 1 },
  );
  if (open.items.length === 0 && claims.items.length === 0) return;
  const stuckUntil = claims.items[0]?.value.claimUntil ?? Number.POSITIVE_INFINITY;
  const soon = deps.clock.now() + (open.items.length > 0 ? deps.timing.idleWaitMs : 0);
  const notBefore = open.items.length > 0 ? soon : Math.max(soon, stuckUntil);
  await commitAndPublish(deps, [], [{ message: { kind: 'drain', lane: slice.laneId }, notBefore }]);
}

// Only for what can be done now, or was claimed and not settled: everything else is woken by what changes it.
async function leaveWakeForWork(deps: CoreDeps, { laneId, lease }: Slice): Promise<void> {
  const message = { kind: 'drain', lane: laneId } as const;
  const [stuck] = (
    await deps.store.list('stuckClaims', { lane: laneId, state: 'SUBMITTING' }, { limit: 1 })
  ).items;
  const { maxActive } = lease.lane.value.policy;
  if (await hasDueJob(deps, laneId)) {
    const active = await deps.store.count('activeJobsOfLane', { lane: laneId, active: true });
    if (active < maxActive) {
      const notBefore = deps.clock.now() + deps.timing.idleWaitMs;
      return commitAndPublish(deps, [], [{ message, notBefore }]);
    }
  }
  if (stuck === undefined) return;
  await commitAndPublish(deps, [], [{ message, notBefore: stuck.value.claimUntil }]);
}

async function hasDueJob(deps: CoreDeps, lane: string): Promise<boolean> {
  const due = { lane, state: 'QUEUED', atMost: deps.clock.now() } as const;
  const [job] = (await deps.store.list('jobsOfLaneByState', due, { limit: 1 })).items;
  if (job === undefined) return false;
  const open = await deps.store.list('openSubmissions', { openLane: lane }, { limit: 1 });
  return open.items.length > 0;
}
