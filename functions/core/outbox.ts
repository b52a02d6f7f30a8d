import { type OutboxDoc, SCHEMA_VERSION } from '../ports/documents.ts';
import type { Message } from '../ports/message.ts';
import { put, type Write } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';

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
  const rows = outgoing.map((each) => ({
    id: deps.random.id(),
    doc: outboxRow(each, deps.clock.now()),
  }));
  await deps.store.commit([
    ...writes,
    ...rows.map(({ id, doc }) => put({ collection: 'outbox', id }, doc, 'absent')),
  ]);
  await publishRows(deps, rows);
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

/** Publishes rows that are due; where the queue keeps messages, deletes them. A failure leaves them to tick. */
export async function publishRows(
  deps: OutboxDeps,
  rows: readonly { readonly id: string; readonly doc: OutboxDoc }[],
): Promise<void> {
  const due = rows.filter(({ doc }) => doc.notBefore <= deps.clock.now() && !doc.parked);
  if (due.length === 0) return;
  try {
    await deps.queue.publish(due.map(({ doc }) => doc.message));
    if (!deps.queue.keepsMessages) return;
    await deps.store.commit(
      due.map(({ id }) => ({ op: 'delete', key: { collection: 'outbox', id } })),
    );
  } catch (error) {
    deps.log.warn({ error: String(error), rows: due.length }, 'messages left to tick');
  }
}
