import type { DeadLetters, RedriveRequest } from '../ports/dead-letters.ts';
import { put } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { publishRows } from './outbox.ts';
import { retryStale } from './retry-stale.ts';

/** Parked messages that one call deals with. */
const ROWS = 200;

/** What was tried again, or would be. */
export interface Redrive {
  readonly parked: number;
  readonly dead: number;
  readonly unreadable: number;
  /** There may be more: call again. */
  readonly more: boolean;
}

/**
 * Tries again what was given up: parked messages, and dead letters where the queue keeps messages. Idempotent, bounded; may deliver
 * a message once more than needed. Throws AppError UNAVAILABLE when the queue cannot be asked; parked messages are tried again by then.
 */
export async function redrive(
  deps: CoreDeps,
  deadLetters: DeadLetters | null,
  request: RedriveRequest,
): Promise<Redrive> {
  const parked = await redriveParked(deps, request);
  const dead = (await deadLetters?.redrive(request)) ?? { dead: 0, unreadable: 0, more: false };
  return { ...dead, parked: parked.count, more: parked.more || dead.more };
}

/** Makes parked messages due, as if they had never failed, at most 200 in one call; with `dryRun` counts all of them. */
export async function redriveParked(
  deps: CoreDeps,
  { kind, dryRun }: RedriveRequest,
): Promise<{ readonly count: number; readonly more: boolean }> {
  const params = { parked: true, ...(kind === null ? {} : { kind }) };
  if (dryRun) return { count: await deps.store.count('parkedMessages', params), more: false };
  // Tick settles parked messages, too: what it took meanwhile is not there any more.
  return retryStale(async () => {
    const found = await deps.store.list('parkedMessages', params, { limit: ROWS });
    const now = deps.clock.now();
    const rows = found.items.map(({ key, version, value }) => ({
      id: key.id,
      version,
      doc: {
        ...value,
        parked: false,
        attempts: 0,
        notBefore: now,
        leasedBy: null,
        lastError: null,
      },
    }));
    if (rows.length > 0) {
      await deps.store.commit(
        rows.map(({ id, version, doc }) => put({ collection: 'outbox', id }, doc, { version })),
      );
      await publishRows(
        deps,
        rows.map(({ id, doc }) => ({ id, doc })),
      );
    }
    return { count: rows.length, more: found.next !== undefined };
  });
}
