import type { DocumentReference, DocumentSnapshot, WriteBatch } from '@google-cloud/firestore';
import { AppError } from '../../../shared/errors/app-error.ts';
import { type Key, StaleVersion, type Write } from '../../ports/store.ts';
import { expectationHolds } from '../../ports/store-rules.ts';
import type { FirestoreClient } from './firestore-client.ts';
import { fieldsOf, isOfCommit, versionOf } from './firestore-documents.ts';
import { FIELD } from './firestore-plan.ts';
import { GRPC, grpcCodeOf, unavailable } from './google-errors.ts';
import { withDeadline } from './with-deadline.ts';

/** What a commit works with. */
export interface CommitParts extends FirestoreClient {
  reference(key: Key): DocumentReference;
}

/** `commit`: a name of its own, so that what it wrote is known again. */
export interface CommitOptions {
  readonly commit: string;
  readonly deadlineMs: number;
}

// A write met another document than it expected: nothing was written.
const PRECONDITION: ReadonlySet<number> = new Set([
  GRPC.notFound,
  GRPC.alreadyExists,
  GRPC.failedPrecondition,
]);
// Refused before anything was written.
const BUSY: ReadonlySet<number> = new Set([GRPC.aborted, GRPC.resourceExhausted]);

/**
 * All writes in one request. The library repeats a request whose answer was lost, and the repeat then meets the documents of the first:
 * so each document carries the name of its commit, and a failed precondition is looked into before it counts.
 */
export async function commitOnce(
  parts: CommitParts,
  writes: readonly Write[],
  options: CommitOptions,
): Promise<void> {
  // Throws before anything is sent when a document is too large.
  const batch = batchOf(parts, writes, options.commit);
  try {
    await withDeadline(options.deadlineMs, () => batch.commit());
  } catch (error) {
    const code = grpcCodeOf(error) ?? GRPC.unknown;
    if (PRECONDITION.has(code)) return await lookInto(parts, writes, options);
    if (BUSY.has(code)) throw busy(error);
    if (code === GRPC.invalidArgument) throw error;
    throw unavailable('Firestore', error);
  }
}

function batchOf(parts: CommitParts, writes: readonly Write[], commit: string): WriteBatch {
  const batch = parts.firestore.batch();
  for (const write of writes) add(batch, parts, { write, commit });
  return batch;
}

function add(
  batch: WriteBatch,
  { reference, library }: CommitParts,
  { write, commit }: { readonly write: Write; readonly commit: string },
): void {
  const { key, expect } = write;
  const target = reference(key);
  const version = typeof expect === 'object' ? timeOf(library, expect.version) : undefined;
  if (write.op === 'delete') {
    if (expect === 'absent') batch.delete(target, { exists: false });
    else if (version === undefined) batch.delete(target);
    else batch.delete(target, { lastUpdateTime: version });
    return;
  }
  const fields = {
    ...fieldsOf(key, write.value, commit),
    [FIELD.changedAt]: library.FieldValue.serverTimestamp(),
  };
  // Every document has the same top-level fields, so an update leaves nothing of the old one.
  if (expect === 'absent') batch.create(target, fields);
  else if (version === undefined) batch.set(target, fields);
  else batch.update(target, fields, { lastUpdateTime: version });
}

function timeOf({ Timestamp }: CommitParts['library'], version: string) {
  const [seconds = '', nanos = ''] = version.split('.');
  return new Timestamp(Number(seconds), Number(nanos));
}

async function lookInto(
  parts: CommitParts,
  writes: readonly Write[],
  { commit, deadlineMs }: CommitOptions,
): Promise<void> {
  const snapshots = await withDeadline(deadlineMs, () =>
    parts.firestore.getAll(...writes.map(({ key }) => parts.reference(key))),
  ).catch((error: unknown) => {
    throw unavailable('Firestore', error);
  });
  if (wasOurs(writes, snapshots, commit)) return;
  const stale = writes.filter(({ expect }, at) => !holds(expect, snapshots[at]));
  const expecting = writes.filter(({ expect }) => expect !== undefined);
  // It may hold again by now: then it is not known which of them did not.
  throw new StaleVersion((stale.length > 0 ? stale : expecting).map(({ key }) => key));
}

// One document is enough: a commit writes all or nothing.
function wasOurs(
  writes: readonly Write[],
  snapshots: readonly DocumentSnapshot[],
  commit: string,
): boolean {
  return snapshots.some((each, at) => writes[at]?.op === 'put' && isOfCommit(each, commit));
}

function holds(expect: Write['expect'], snapshot: DocumentSnapshot | undefined): boolean {
  const time = snapshot?.updateTime;
  return expectationHolds(expect, time === undefined ? undefined : versionOf(time));
}

function busy(cause: unknown): AppError {
  return new AppError('STORE_BUSY', 'Too many others changed the same records.', {
    hint: 'Try again in a moment.',
    cause,
  });
}
