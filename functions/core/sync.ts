import type { Cause } from '../../shared/jobs/cause.ts';
import { isLegalMove, isTerminal } from '../../shared/jobs/job-state.ts';
import { type JobDoc, SCHEMA_VERSION } from '../ports/documents.ts';
import type { Observation, Platform } from '../ports/platform.ts';
import { put, StaleVersion, type Stored, type Write } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { moved, noted } from './job-moves.ts';
import { commitAndPublish, type Outgoing } from './outbox.ts';
import { everyOf, getJob, getOne } from './records.ts';
import { retryStale } from './retry-stale.ts';
import { tellMove } from './tell-move.ts';

const SYNC_WRITE_EVERY_MS = 5_000;
const MOVES_PER_COMMIT = 100;

/** How thorough a pass is, and how it tells the drainer of places that came free. */
export interface SyncOptions {
  /** Also look up active jobs that the platform's list does not show. */
  readonly full: boolean;
  /** 'message': in the commit that frees the place. 'caller': the caller wakes the drainer, which is near. */
  readonly wake: 'message' | 'caller';
  /** Start of the caller's own last pass that ended well, where it remembers: what ended before needs no second look. */
  readonly since?: number;
  /** What the last pass gave, where the caller remembers it. */
  readonly settled?: ReadonlySet<string>;
}

/** What a pass did. */
export interface SyncResult {
  readonly moved: number;
  /** Groups of the jobs that moved. */
  readonly groups: ReadonlySet<string>;
  /** Platform jobs, by ref, that have ended and whose end is what we hold: they need no second look while they are listed. */
  readonly settled: ReadonlySet<string>;
}

/**
 * Compares what the lane's platform reports with what we hold and moves jobs by the transition table. Level-triggered: with every
 * notification lost it still converges. Cancels platform jobs that nobody holds, and asks again for those that are to stop.
 */
export async function syncLane(
  deps: CoreDeps,
  laneId: string,
  options: SyncOptions,
): Promise<SyncResult> {
  const lane = await getOne(deps, 'lanes', laneId);
  const platform = lane === undefined ? undefined : deps.platforms.get(lane.value.platform);
  if (platform === undefined) return { moved: 0, groups: new Set(), settled: new Set() };
  const startedAt = deps.clock.now();
  const before = await getOne(deps, 'syncs', laneId);
  const since = Math.max(
    0,
    Math.max(before?.value.syncedAt ?? 0, options.since ?? 0) -
      platform.listLagMs -
      deps.timing.skewMs,
  );
  const pass: Pass = {
    deps,
    platform,
    laneId,
    wake: options.wake,
    seen: new Set(),
    groups: new Set(),
    before: options.settled ?? new Set(),
    settled: new Set(),
    moved: 0,
  };
  let cursor: string | null = null;
  do {
    const page: { items: readonly Observation[]; next: string | null } = await platform.list(
      laneId,
      since,
      cursor,
    );
    await applyPage(pass, page.items);
    cursor = page.next;
  } while (cursor !== null);
  if (options.full) await lookUpMissing(pass);
  await markSynced(deps, before, { id: laneId, at: startedAt });
  return pass;
}

interface Pass {
  readonly deps: CoreDeps;
  readonly platform: Platform;
  readonly laneId: string;
  readonly wake: SyncOptions['wake'];
  readonly seen: Set<string>;
  readonly groups: Set<string>;
  readonly before: ReadonlySet<string>;
  readonly settled: Set<string>;
  moved: number;
}

async function applyPage(pass: Pass, observations: readonly Observation[]): Promise<void> {
  for (const { jobId } of observations) pass.seen.add(jobId);
  const open = observations.filter((observation) => !isSettledBefore(pass, observation));
  for (let from = 0; from < open.length; from += MOVES_PER_COMMIT) {
    await applySome(pass, open.slice(from, from + MOVES_PER_COMMIT));
  }
}

async function applySome(pass: Pass, some: readonly Observation[]): Promise<void> {
  const ids = [...new Set(some.map(({ jobId }) => jobId))];
  const jobs = new Map(
    (await pass.deps.store.get(ids.map((id) => ({ collection: 'jobs' as const, id }))))
      .filter((job) => job !== undefined)
      .map((job) => [job.value.id, job]),
  );
  const moves: Move[] = [];
  for (const observation of some) {
    const job = jobs.get(observation.jobId);
    if (job === undefined) continue;
    if (isSettledBy(job.value, observation)) pass.settled.add(observation.ref);
    const after = await applied(pass, job.value, observation);
    if (after === undefined) continue;
    moves.push({ job, after, observation });
    jobs.set(observation.jobId, { ...job, value: after });
  }
  await commitMoves(pass, moves);
}

function isSettledBefore({ before, settled }: Pass, { ref, state }: Observation): boolean {
  const isSettled = isTerminal(state) && before.has(ref);
  if (isSettled) settled.add(ref);
  return isSettled;
}

// Neither changes any more; a job that is between two platform jobs may still become this one.
function isSettledBy(job: JobDoc, { ref, state }: Observation): boolean {
  const isWaiting = job.state === 'QUEUED' || job.state === 'SUBMITTING';
  return isTerminal(state) && !isWaiting && (isTerminal(job.state) || job.ref !== ref);
}

interface Move {
  readonly job: Stored<'jobs'>;
  readonly after: JobDoc;
  readonly observation: Observation;
}

// The job after an observation, or undefined when it changes nothing. Cancels what should not live.
async function applied(pass: Pass, job: JobDoc, seen: Observation): Promise<JobDoc | undefined> {
  const lives = !isTerminal(seen.state);
  // Not known by name yet: its drainer, or the one that finds out after it, will say.
  if (job.state === 'QUEUED' || job.state === 'SUBMITTING') return undefined;
  if (seen.ref !== job.ref) {
    if (lives) await cancel(pass, seen);
    return withSecond(pass.deps, job, seen);
  }
  if (lives && (job.stopRequestedAt !== null || isTerminal(job.state))) await cancel(pass, seen);
  return observed(pass.deps, job, seen);
}

// The job with a second one of its platform in its history, however late that shows; undefined when it stands there. Named once: it may
// show for many passes, and a history is short. Why a job ended stays what it was.
function withSecond({ clock }: CoreDeps, job: JobDoc, seen: Observation): JobDoc | undefined {
  const name = `A second platform job ${seen.ref} of attempt ${seen.attempt} appeared`;
  if (job.history.some(({ cause }) => cause.message.startsWith(`${name} `))) return undefined;
  const beside = job.ref === null ? 'after all' : `beside ${job.ref}`;
  const end = isTerminal(seen.state) ? `ended as ${seen.state}` : 'was cancelled';
  const cause: Cause = { code: 'platform', message: `${name} ${beside}; it ${end}.` };
  const after = noted(job, { at: clock.now(), cause });
  return isTerminal(job.state) ? { ...after, cause: job.cause } : after;
}

async function cancel(pass: Pass, { jobId, attempt, ref }: Observation): Promise<void> {
  try {
    await pass.platform.cancel(ref);
  } catch (error) {
    const told = { jobId, attempt, ref, error: String(error) };
    pass.deps.log.warn(told, 'cancel failed; the next pass asks again');
  }
}

/** The job as the platform reports it, or undefined when that is what we hold or no legal move. */
function observed(deps: CoreDeps, job: JobDoc, seen: Observation): JobDoc | undefined {
  if (!isLegalMove(job.state, seen.state)) return undefined;
  return moved(
    job,
    { to: seen.state, at: deps.clock.now(), cause: seen.cause },
    {
      startedAt: seen.startedAt ?? job.startedAt,
      exitCode: seen.exitCode,
      ...(seen.finishedAt === null ? {} : { finishedAt: seen.finishedAt }),
    },
  );
}

// Places that came free wake the drainer in the same commit. Of a batch that lost a race each job is tried by itself.
async function commitMoves(pass: Pass, moves: readonly Move[]): Promise<void> {
  if (moves.length === 0) return;
  const latest = new Map(moves.map((move) => [move.job.value.id, move]));
  const writes = [...latest.values()].map(
    ({ job, after }): Write => put(job.key, after, { version: job.version }),
  );
  try {
    await commitAndPublish(
      pass.deps,
      writes,
      wakeAfter(
        pass,
        moves.some(({ after }) => !after.active),
      ),
    );
    for (const { after } of moves) count(pass, after);
    for (const { after, observation } of latest.values()) {
      if (isSettledBy(after, observation)) pass.settled.add(observation.ref);
    }
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
    for (const move of latest.values()) await moveAlone(pass, move);
  }
}

async function moveAlone(pass: Pass, move: Move): Promise<void> {
  await retryStale(async () => {
    const job = await getJob(pass.deps, move.job.value.id);
    const after = await applied(pass, job.value, move.observation);
    if (after === undefined) return;
    await commitAndPublish(
      pass.deps,
      [put(job.key, after, { version: job.version })],
      wakeAfter(pass, !after.active),
    );
    count(pass, after);
  });
}

function wakeAfter(pass: Pass, freed: boolean): Outgoing[] {
  const needed = freed && pass.wake === 'message';
  return needed ? [{ message: { kind: 'drain', lane: pass.laneId } }] : [];
}

function count(pass: Pass, job: JobDoc): void {
  tellMove(pass.deps, job);
  pass.moved++;
  pass.groups.add(job.groupId);
}

async function lookUpMissing(pass: Pass): Promise<void> {
  const { deps } = pass;
  for await (const stored of everyOf(deps, 'activeJobsOfLane', {
    lane: pass.laneId,
    active: true,
  })) {
    const job = stored.value;
    const quietSince = job.history.at(-1)?.at ?? job.createdAt;
    if (job.ref === null || pass.seen.has(job.id)) continue;
    if (deps.clock.now() - quietSince < deps.timing.missingAfterMs + pass.platform.listLagMs)
      continue;
    const found = await findAgain(pass, job);
    if (found === undefined) continue;
    if (found.some(({ ref }) => ref === job.ref)) await applyPage(pass, found);
    else await moveMissing(pass, stored);
  }
}

// That the platform cannot tell of one job says nothing of it, and must not keep the pass from the others.
async function findAgain(pass: Pass, job: JobDoc): Promise<readonly Observation[] | undefined> {
  try {
    return await pass.platform.find(job.id);
  } catch (error) {
    const told = { jobId: job.id, ref: job.ref, error: String(error) };
    pass.deps.log.warn(told, 'look-up failed; the next full pass asks again');
    return undefined;
  }
}

async function moveMissing(
  pass: Pass,
  { key, value: job, version }: Stored<'jobs'>,
): Promise<void> {
  const after = missed(pass.deps, job);
  if (after === undefined) return;
  const wake = wakeAfter(pass, !after.active);
  try {
    await commitAndPublish(pass.deps, [put(key, after, { version })], wake);
    count(pass, after);
  } catch (error) {
    // It was seen or stopped meanwhile.
    if (!(error instanceof StaleVersion)) throw error;
  }
}

// The job after it was missed again, or undefined while it is looked for.
function missed(deps: CoreDeps, job: JobDoc): JobDoc | undefined {
  const now = deps.clock.now();
  const missedAt = job.missedAt ?? now;
  if (job.state !== 'UNKNOWN') {
    const cause: Cause = {
      code: 'lost',
      message: `${job.platform} does not know ${job.ref} any more; it is looked for again for 7 days.`,
    };
    return moved(job, { to: 'UNKNOWN', at: now, cause }, { missedAt });
  }
  if (now - missedAt < deps.timing.lostAfterMs) return undefined;
  const cause: Cause = { code: 'lost', message: 'Lost by the platform: not seen for 7 days.' };
  return moved(job, { to: 'FAILED', at: now, cause });
}

async function markSynced(
  deps: CoreDeps,
  before: Stored<'syncs'> | undefined,
  pass: { readonly id: string; readonly at: number },
): Promise<void> {
  const { id, at } = pass;
  if (before !== undefined && at - before.value.syncedAt < SYNC_WRITE_EVERY_MS) return;
  const doc = { schemaVersion: SCHEMA_VERSION, id, syncedAt: at };
  await commitQuietly(
    deps,
    put(
      { collection: 'syncs', id },
      doc,
      before === undefined ? 'absent' : { version: before.version },
    ),
  );
}

// Whoever came first said the same or knows better.
async function commitQuietly(deps: CoreDeps, write: Write): Promise<void> {
  try {
    await deps.store.commit([write]);
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
  }
}
