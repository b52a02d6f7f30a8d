import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DocumentReference, DocumentSnapshot, WriteBatch } from '@google-cloud/firestore';
import { AppError } from '../../../shared/errors/app-error.ts';
import { type Key, type Patience, StaleVersion, type Write } from '../../ports/store.ts';
import { expectationHolds } from '../../ports/store-rules.ts';
import type { FirestoreClient, LoadedFirestore } from './firestore-client.ts';
import { documentId, fieldsOf, isOfCommit, versionOf } from './firestore-documents.ts';
import { FIELD } from './firestore-plan.ts';
import { checkSizes } from './firestore-size.ts';
import { GRPC, grpcCodeOf, unavailable, wordsOf } from './google-errors.ts';

/** One request of a commit (ms): Firestore gives it up too then. */
export const COMMIT_MS: Readonly<Record<Patience, number>> = { wait: 6_000, 'now-or-never': 2_000 };
/** A commit that others hold up is sent again for so long; pauses are random, up to these (ms). */
const TURN_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;

// A write met another document than it expected: nothing was written.
const PRECONDITION: ReadonlySet<number> = new Set([
  GRPC.notFound,
  GRPC.alreadyExists,
  GRPC.failedPrecondition,
]);
// Refused before anything was written.
const BUSY: ReadonlySet<number> = new Set([GRPC.aborted, GRPC.resourceExhausted]);
// Said of a request that would never be done: a defect of ours.
const REFUSED: ReadonlySet<number> = new Set([GRPC.invalidArgument, GRPC.outOfRange]);

/**
 * All writes in one request, with the preconditions on them. It is sent again only after an answer that says that nothing was written;
 * after a lost one nobody knows (AppError UNAVAILABLE). Each document carries the name of its commit, which is new in each: a write that
 * changes nothing would keep its update time, and two commits on one version would both win. Should something between here and Firestore
 * repeat a request, which the client does not (firestore-client.ts), its own write is recognised by that name too.
 */
export async function commitWrites(
  client: FirestoreClient,
  writes: readonly Write[],
  patience: Patience,
): Promise<void> {
  const commit = randomBytes(9).toString('base64url');
  const ready = writes.map((write) => readyWrite(write, commit));
  checkSizes(
    ready.map(({ key, fields }) => ({ key, data: fields && { ...fields, [FIELD.stampedAt]: 0 } })),
  );
  const until = performance.now() + TURN_MS;
  for (let longest = FIRST_PAUSE_MS; ; longest = Math.min(2 * longest, LONGEST_PAUSE_MS)) {
    const busy = await commitOnce(client, { ready, commit, deadlineMs: COMMIT_MS[patience] });
    if (busy === undefined) return;
    const pauseMs = Math.random() * longest;
    if (patience === 'now-or-never' || performance.now() + pauseMs >= until) throw busyError(busy);
    await sleep(pauseMs);
  }
}

/** A write whose fields are made: nothing the caller changes later reaches them. */
interface ReadyWrite {
  readonly key: Key;
  readonly expect: Write['expect'];
  /** Null: a delete. */
  readonly fields: ReturnType<typeof fieldsOf> | null;
}

interface Commit {
  readonly ready: readonly ReadyWrite[];
  readonly commit: string;
  readonly deadlineMs: number;
}

function readyWrite(write: Write, commit: string): ReadyWrite {
  const { key, expect } = write;
  return { key, expect, fields: write.op === 'put' ? fieldsOf(key, write.value, commit) : null };
}

/** What Firestore said when it had no turn for it; undefined when it is done. */
async function commitOnce(client: FirestoreClient, commit: Commit): Promise<unknown> {
  try {
    await client.within(commit.deadlineMs, async (loaded) => {
      const batch = loaded.firestore.batch();
      for (const write of commit.ready) add(batch, loaded, write);
      await batch.commit();
    });
    return undefined;
  } catch (error) {
    const code = grpcCodeOf(error) ?? GRPC.unknown;
    if (PRECONDITION.has(code)) return await lookInto(client, commit, error);
    if (BUSY.has(code)) return error;
    throw REFUSED.has(code) ? error : unknownOutcome(error);
  }
}

function add(batch: WriteBatch, loaded: LoadedFirestore, write: ReadyWrite): void {
  const { key, expect, fields } = write;
  const target = referenceOf(loaded, key);
  const version = typeof expect === 'object' ? timeOf(loaded, expect.version) : undefined;
  if (fields === null) {
    if (expect === 'absent') batch.delete(target, { exists: false });
    else if (version === undefined) batch.delete(target);
    else batch.delete(target, { lastUpdateTime: version });
    return;
  }
  const data = { ...fields, [FIELD.stampedAt]: loaded.library.FieldValue.serverTimestamp() };
  // Every document has the same top-level fields, so an update leaves nothing of the old one.
  if (expect === 'absent') batch.create(target, data);
  else if (version === undefined) batch.set(target, data);
  else batch.update(target, data, { lastUpdateTime: version });
}

/** A document of the database. */
export function referenceOf({ firestore }: LoadedFirestore, key: Key): DocumentReference {
  return firestore.collection(key.collection).doc(documentId(key));
}

// A version of another store is none of ours: no document was ever written at this time.
function timeOf({ library: { Timestamp } }: LoadedFirestore, version: string) {
  const [, seconds, nanos] = /^(\d{1,11})\.(\d{9})$/.exec(version) ?? [];
  return new Timestamp(Number(seconds ?? 0), Number(nanos ?? 0));
}

async function lookInto(
  client: FirestoreClient,
  { ready, commit, deadlineMs }: Commit,
  failure: unknown,
): Promise<undefined> {
  const snapshots = await client
    .within(deadlineMs, (loaded) =>
      loaded.firestore.getAll(...ready.map(({ key }) => referenceOf(loaded, key))),
    )
    .catch((error: unknown) => {
      throw unknownOutcome(error);
    });
  if (wasOurs(ready, snapshots, commit)) return undefined;
  const stale = ready.filter(({ expect }, at) => !holds(expect, snapshots[at]));
  // It may hold again by now: then it is not known which of them did not.
  const told = stale.length > 0 ? stale : ready.filter(({ expect }) => expect !== undefined);
  if (told.length === 0) throw failure;
  throw new StaleVersion(told.map(({ key }) => key));
}

// One document is enough: a commit writes all or nothing.
function wasOurs(
  ready: readonly ReadyWrite[],
  snapshots: readonly DocumentSnapshot[],
  commit: string,
): boolean {
  return snapshots.some((each, at) => ready[at]?.fields != null && isOfCommit(each, commit));
}

function holds(expect: Write['expect'], snapshot: DocumentSnapshot | undefined): boolean {
  const time = snapshot?.updateTime;
  return expectationHolds(expect, time === undefined ? undefined : versionOf(time));
}

function busyError(cause: unknown): AppError {
  return new AppError('STORE_BUSY', `Firestore had no turn for a commit: ${wordsOf(cause)}`, {
    hint: 'Try again in a moment.',
    cause,
  });
}

function unknownOutcome(cause: unknown): AppError {
  return unavailable('Firestore', cause);
}
