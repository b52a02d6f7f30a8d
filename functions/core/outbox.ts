import { type OutboxDoc, SCHEMA_VERSION } from '../ports/documents.ts';
import { MESSAGE_KINDS, type Message } from '../ports/message.ts';
import { put, StaleVersion, type Write } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { hashOf } from './ids.ts';

/** A message that follows from a commit, not to be handled before `notBefore` (UTC ms; default: now). */
export interface Outgoing {
  readonly message: Message;
  readonly notBefore?: number;
}

type OutboxDeps = Pick<CoreDeps, 'store' | 'queue' | 'clock' | 'random' | 'log'>;

/**
 * Commits state and the messages that follow from it at once, then publishes what is due. A message can be
 * lost neither between the two nor by a crash: its row stays until the queue has it, and tick publishes what is left.
 */
export async function commitAndPublish(
  deps: OutboxDeps,
  writes: readonly Write[],
  outgoing: readonly Outgoing[],
): Promise<void> {
  const now = deps.clock.now();
  const rows = outgoing.map((each) => newRow(deps, each, now));
  await deps.store.commit([
    ...writes,
    ...rows.map(({ id, doc, isWait }) =>
      put({ collection: 'outbox', id }, doc, isWait ? undefined : 'absent'),
    ),
  ]);
  // A wait is left to whoever waits for it, and to tick, also when the commit took so long that it is due: by now it may be another one.
  await publishRows(
    deps,
    rows.filter(({ isWait }) => !isWait),
  );
}

function newRow({ queue, random }: OutboxDeps, outgoing: Outgoing, now: number) {
  const doc = outboxRow(outgoing, now);
  // Where the queue keeps messages nobody holds a row while it is handled: two waits for the same become one.
  const isWait = queue.keepsMessages && doc.notBefore > now;
  return { id: isWait ? waitIdOf(outgoing.message) : random.id(), doc, isWait };
}

/** The row of a message that waits for its time, where the queue keeps messages: there is one, however many handlers leave it. */
export function waitIdOf(message: Message): string {
  return `wait-${hashOf(JSON.stringify(message)).slice(0, 40)}`;
}

/** How many writes a commit may hold besides its messages' rows. */
export function outboxRow(outgoing: Outgoing, now: number): OutboxDoc {
  return {
    schemaVersion: SCHEMA_VERSION,
    message: outgoing.message,
    kind: outgoing.message.kind,
    notBefore: outgoing.notBefore ?? now,
    attempts: 0,
    parked: false,
    leasedBy: null,
    lastError: null,
  };
}

/** A row to publish; with the version it was read at, it is deleted only as that: someone may have put it anew. */
export interface OutboxRow {
  readonly id: string;
  readonly doc: OutboxDoc;
  readonly version?: string;
}

/** Publishes rows that are due; where the queue keeps messages, deletes them. A failure leaves them to tick. */
export async function publishRows(deps: OutboxDeps, rows: readonly OutboxRow[]): Promise<void> {
  const due = rows.filter(({ doc }) => doc.notBefore <= deps.clock.now() && !doc.parked);
  await publishNow(deps, due);
}

/** Publishes rows whether they are due or not, as `publishRows` does. One kind that cannot be published keeps no other. */
export async function publishNow(deps: OutboxDeps, rows: readonly OutboxRow[]): Promise<void> {
  for (const kind of MESSAGE_KINDS) {
    const some = rows.filter(({ doc }) => doc.kind === kind);
    if (some.length === 0) continue;
    try {
      await deps.queue.publish(some.map(({ doc }) => doc.message));
      if (deps.queue.keepsMessages) await forget(deps, some);
    } catch (error) {
      deps.log.warn({ kind, error: String(error), rows: some.length }, 'messages left to tick');
    }
  }
}

// A row that changed meanwhile is another wait: of the others each is deleted by itself.
async function forget(deps: OutboxDeps, rows: readonly OutboxRow[]): Promise<void> {
  try {
    await deps.store.commit(rows.map(deletionOf));
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
    if (rows.length > 1) for (const row of rows) await forget(deps, [row]);
  }
}

function deletionOf({ id, version }: OutboxRow): Write {
  const key = { collection: 'outbox', id } as const;
  return { op: 'delete', key, ...(version === undefined ? {} : { expect: { version } }) };
}
