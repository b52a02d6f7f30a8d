import type { Message } from '../ports/message.ts';
import { put, StaleVersion, type Stored } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { repairExpansion } from './expand.ts';
import { commitAndPublish, publishRows } from './outbox.ts';
import { everyOf, getOne } from './records.ts';

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
  }
  if (mayLose) await repair(deps);
}

async function publishLeftovers(deps: CoreDeps): Promise<void> {
  const due = await deps.store.list(
    'dueMessages',
    { parked: false, atMost: deps.clock.now() },
    { limit: LEFTOVERS },
  );
  await publishRows(
    deps,
    due.items.map((row) => ({ id: row.key.id, doc: row.value })),
  );
}

async function wakeLane(deps: CoreDeps, lane: string): Promise<void> {
  const now = deps.clock.now();
  const due = await deps.store.list(
    'jobsOfLaneByState',
    { lane, state: 'QUEUED', atMost: now },
    { limit: REPAIRS },
  );
  const stuck = await deps.store.list(
    'stuckClaims',
    { lane, state: 'SUBMITTING', atMost: now },
    { limit: 1 },
  );
  if (due.items.length === 0 && stuck.items.length === 0) return;
  const messages: Message[] = [{ kind: 'drain', lane }];
  for (const submissionId of new Set(due.items.map(({ value }) => value.submissionId))) {
    const submission = await getOne(deps, 'submissions', submissionId);
    if (submission === undefined) continue;
    // A chunk that was being written while its submission ended: nobody else will end its jobs.
    if (submission.value.ending === 'done') messages.push({ kind: 'stop', submissionId });
    else await reopen(deps, submission);
  }
  await commitAndPublish(
    deps,
    [],
    messages.map((message) => ({ message })),
  );
}

// A job that came back to waiting after its submission was closed for the drainer.
async function reopen(deps: CoreDeps, stored: Stored<'submissions'>): Promise<void> {
  const { openLane, imageState, ending, lane } = stored.value;
  if (openLane !== null || imageState !== 'ready' || ending !== 'none') return;
  try {
    await deps.store.commit([
      put(stored.key, { ...stored.value, openLane: lane }, { version: stored.version }),
    ]);
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
  }
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
  for (const { value } of waiting.items) messages.push({ kind: 'image', submissionId: value.id });
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
