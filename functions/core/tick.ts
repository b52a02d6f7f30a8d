import type { Cause } from '../../shared/jobs/cause.ts';
import type { SubmissionDoc } from '../ports/documents.ts';
import { MESSAGE_KINDS, type Message } from '../ports/message.ts';
import { put, STORE_LIMIT, StaleVersion, type Stored } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { requestEnding } from './ending.ts';
import { repairExpansion } from './expand.ts';
import { keepPolicy } from './lane.ts';
import { commitAndPublish, type Outgoing, publishRows } from './outbox.ts';
import { everyOf, getOne } from './records.ts';
import { layersOf } from './submission-spec.ts';

/** Most repairs of one kind in one tick; the next tick goes on. */
const REPAIRS = 50;
const LEFTOVERS = 200;

/**
 * What must happen even if every message was lost: publishes leftovers of the outbox (where the queue keeps messages), wakes lanes
 * that have due jobs or stuck claims and no live lease, and repeats unfinished stops, images and expansions. Hosted each minute, on
 * one machine every few seconds. Idempotent.
 */
export async function tick(deps: CoreDeps): Promise<void> {
  // Where rows stay the messages none can be lost, and repeating them would only add to what waits.
  const mayLose = deps.queue.keepsMessages;
  if (mayLose) await publishLeftovers(deps);
  for await (const lane of everyOf(deps, 'lanes', {})) {
    if (lane.value.leaseUntil <= deps.clock.now()) await wakeLane(deps, lane.value.id);
    if (mayLose) await keepPolicy(deps, lane);
  }
  if (mayLose) await repair(deps);
  await settleParked(deps);
}

async function publishLeftovers(deps: CoreDeps): Promise<void> {
  // Each kind by itself: one that cannot be published must not hide the others.
  for (const kind of MESSAGE_KINDS) {
    const due = await deps.store.list(
      'dueMessages',
      { parked: false, kind, atMost: deps.clock.now() },
      { limit: LEFTOVERS },
    );
    await publishRows(
      deps,
      due.items.map((row) => ({ id: row.key.id, doc: row.value, version: row.version })),
    );
  }
}

async function wakeLane(deps: CoreDeps, lane: string): Promise<void> {
  const now = deps.clock.now();
  const stuck = await deps.store.list(
    'stuckClaims',
    { lane, state: 'SUBMITTING', atMost: now },
    { limit: 1 },
  );
  const messages: Message[] = await lookAtWaiting(deps, lane, now);
  if (stuck.items.length > 0) messages.push({ kind: 'drain', lane });
  if (messages.length === 0) return;
  await commitAndPublish(
    deps,
    [],
    messages.map((message) => ({ message })),
  );
}

// Due jobs that nobody serves, and those of submissions that the drainer does not see.
async function lookAtWaiting(deps: CoreDeps, lane: string, now: number): Promise<Message[]> {
  const due = await deps.store.list(
    'jobsOfLaneByState',
    { lane, state: 'QUEUED', atMost: now },
    { limit: STORE_LIMIT },
  );
  const messages: Message[] = [];
  for (const submissionId of new Set(due.items.map(({ value }) => value.submissionId))) {
    const submission = await getOne(deps, 'submissions', submissionId);
    if (submission === undefined) continue;
    // A chunk that was being written while its submission ended: nobody else will end its jobs.
    if (submission.value.ending === 'done') messages.push({ kind: 'stop', submissionId });
    else if (submission.value.openLane !== null || (await reopened(deps, submission)))
      messages.push({ kind: 'drain', lane });
  }
  return messages;
}

// A job that came back to waiting after its submission was closed for the drainer.
async function reopened(deps: CoreDeps, stored: Stored<'submissions'>): Promise<boolean> {
  const { openLane, imageState, ending, lane } = stored.value;
  if (openLane !== null || imageState !== 'ready' || ending !== 'none') return false;
  try {
    await deps.store.commit([
      put(stored.key, { ...stored.value, openLane: lane }, { version: stored.version }),
    ]);
    return true;
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
    return false;
  }
}

/**
 * Messages that failed ten times. A stop, and the verification of a layer, are tried again and again: nobody else does them. Without its image or its experiments a
 * submission is over, and says why. A drain comes again by itself.
 */
async function settleParked(deps: CoreDeps): Promise<void> {
  const parked = await deps.store.list('parkedMessages', { parked: true }, { limit: REPAIRS });
  for (const row of parked.items) {
    const { message, lastError } = row.value;
    const again = { message, notBefore: deps.clock.now() + deps.timing.repairAfterMs };
    const isRepeated = message.kind === 'stop' || message.kind === 'verify';
    if (await unpark(deps, row, isRepeated ? [again] : [])) await giveUp(deps, message, lastError);
  }
}

async function giveUp(deps: CoreDeps, message: Message, lastError: string | null): Promise<void> {
  if (message.kind !== 'image' && message.kind !== 'expand') return;
  const submission = await getOne(deps, 'submissions', message.submissionId);
  if (submission === undefined) return;
  const cause = parkedCause(message.kind, lastError);
  await requestEnding(deps, message.submissionId, { state: 'FAILED', cause });
}

// False when somebody brought it back meanwhile: then it is not given up.
async function unpark(
  deps: CoreDeps,
  { key, version }: Stored<'outbox'>,
  again: readonly Outgoing[],
): Promise<boolean> {
  try {
    await commitAndPublish(deps, [{ op: 'delete', key, expect: { version } }], again);
    return true;
  } catch (error) {
    if (error instanceof StaleVersion) return false;
    throw error;
  }
}

// Layers that a submission has been waiting for: whoever was to verify them may have given up.
async function unverified(deps: CoreDeps, submission: SubmissionDoc): Promise<Message[]> {
  const diffIds = layersOf(submission);
  if (diffIds.length === 0) return [];
  const states = await deps.layers.check(diffIds);
  return diffIds
    .filter((_, at) => states[at]?.state === 'complete')
    .map((diffId) => ({ kind: 'verify', diffId }));
}

function parkedCause(kind: 'image' | 'expand', lastError: string | null): Cause {
  const step =
    kind === 'image' ? 'Its environment could not be prepared' : 'It could not be expanded';
  const message = `${step}; tried ten times, the last time: ${lastError ?? 'unknown error'}`;
  return { code: kind === 'image' ? 'image-failed' : 'expansion-failed', message };
}

async function repair(deps: CoreDeps): Promise<void> {
  const before = deps.clock.now() - deps.timing.repairAfterMs;
  const messages: Message[] = [];
  const ending = await deps.store.list(
    'submissionsToEnd',
    { ending: 'requested' },
    { limit: REPAIRS },
  );
  for (const { value } of ending.items) {
    if ((value.stopRequestedAt ?? value.acceptedAt) < before)
      messages.push({ kind: 'stop', submissionId: value.id });
  }
  const waiting = await deps.store.list(
    'submissionsAwaitingImage',
    { imageState: 'waiting', ending: 'none', atMost: before },
    { limit: REPAIRS },
  );
  for (const { value } of waiting.items) {
    messages.push({ kind: 'image', submissionId: value.id }, ...(await unverified(deps, value)));
  }
  if (messages.length > 0) {
    await commitAndPublish(
      deps,
      [],
      messages.map((message) => ({ message })),
    );
  }
  const unexpanded = await deps.store.list(
    'submissionsToExpand',
    { expanded: false, atMost: before },
    { limit: REPAIRS },
  );
  for (const { value } of unexpanded.items) {
    if (value.endingState !== 'STOPPED') await repairExpansion(deps, value);
  }
}
