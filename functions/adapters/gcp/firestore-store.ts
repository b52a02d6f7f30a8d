import { randomBytes } from 'node:crypto';
import type { DocumentReference, Query } from '@google-cloud/firestore';
import type { Collection } from '../../ports/documents.ts';
import type { QueryCollection, QueryName, QueryParams } from '../../ports/queries.ts';
import type { Cursor, Key, Listed, Page, Store, Stored, Write } from '../../ports/store.ts';
import {
  checkKeys,
  checkPage,
  checkWrites,
  cursorOf,
  keyText,
  querySpec,
} from '../../ports/store-rules.ts';
import {
  createFirestoreClient,
  type FirestoreClient,
  type FirestoreSettings,
} from './firestore-client.ts';
import { type CommitParts, commitOnce } from './firestore-commit.ts';
import { documentId, msOf, storedOf, timestampOf } from './firestore-documents.ts';
import { FIELD, type FirestorePlan, planQuery } from './firestore-plan.ts';
import { unavailable } from './google-errors.ts';
import { withDeadline } from './with-deadline.ts';

/** How a store is opened. */
export interface FirestoreStoreOptions extends FirestoreSettings {
  /**
   * A list in the order of commits shows only what is older than this (ms), by the server's clock: a document's time is taken when its
   * commit begins, so one that is shown later may be older. Default 2 s.
   */
  readonly settleMs?: number;
}

const READ_MS = 20_000;
const COMMIT_MS = { wait: 20_000, 'now-or-never': 3_000 } as const;
const SETTLE_MS = 2_000;

/**
 * Documents in Firestore, in native mode. A commit is one write request with preconditions, never a transaction. Nothing is loaded or
 * asked before the first use.
 */
export function createFirestoreStore(
  options: FirestoreStoreOptions,
): Store & { close(): Promise<void> } {
  const client = createFirestoreClient(options);
  const settleMs = options.settleMs ?? SETTLE_MS;

  async function parts(): Promise<CommitParts> {
    const opened = await client.open();
    return { ...opened, reference: (key) => referenceOf(opened, key) };
  }

  return {
    async get<C extends Collection>(keys: readonly Key<C>[]) {
      checkKeys(keys);
      if (keys.length === 0) return [];
      const { firestore, reference } = await parts();
      // The library asks for each document once, however often it is named.
      const references = new Map(keys.map((key) => [keyText(key), reference(key)]));
      const snapshots = await read(() => firestore.getAll(...references.values()));
      const found = new Map([...references.keys()].map((text, at) => [text, snapshots[at]]));
      return keys.map((key) => {
        const snapshot = found.get(keyText(key));
        return snapshot === undefined ? undefined : storedOf(key.collection, snapshot);
      });
    },
    async commit(writes: readonly Write[], patience = 'wait') {
      checkWrites(writes);
      if (writes.length === 0) return;
      await commitOnce(await parts(), writes, {
        commit: randomBytes(9).toString('base64url'),
        deadlineMs: COMMIT_MS[patience],
      });
    },
    async list<Q extends QueryName>(query: Q, params: QueryParams<Q>, page: Page) {
      checkPage(page);
      const opened = await client.open();
      const plan = planQuery(query, params);
      const asked = inOrder(opened, plan, page.after).limit(page.limit + 1);
      const snapshot = await read(() => asked.get());
      const settledAt = msOf(snapshot.readTime) - settleMs;
      const isSettled = ({ changedAt }: Stored) =>
        querySpec(query).orderBy !== 'changedAt' || changedAt <= settledAt;
      const documents = snapshot.docs
        .map((each) => storedOf(plan.collection as QueryCollection<Q>, each))
        .filter((each) => each !== undefined)
        .filter(isSettled);
      return pageOf(query, documents, page.limit);
    },
    async count(query, params) {
      const opened = await client.open();
      const asked = queryOf(opened, planQuery(query, params)).count();
      const snapshot = await read(() => asked.get());
      return snapshot.data().count;
    },
    close: () => client.close(),
  };
}

function read<T>(call: () => Promise<T>): Promise<T> {
  return withDeadline(READ_MS, call).catch((error: unknown) => {
    throw unavailable('Firestore', error);
  });
}

function pageOf<Q extends QueryName>(
  query: Q,
  documents: readonly Stored<QueryCollection<Q>>[],
  limit: number,
): Listed<QueryCollection<Q>> {
  const items = documents.slice(0, limit);
  const last = documents[limit - 1];
  if (documents.length <= limit || last === undefined) return { items };
  return { items, next: cursorOf(querySpec(query), last as unknown as Stored) };
}

function referenceOf({ firestore }: FirestoreClient, key: Key): DocumentReference {
  return firestore.collection(key.collection).doc(documentId(key));
}

function queryOf({ firestore }: FirestoreClient, plan: FirestorePlan): Query {
  let query: Query = firestore.collection(plan.collection);
  for (const { field, value } of plan.equalities) query = query.where(field, '==', value);
  if (plan.contains !== null) {
    query = query.where(plan.contains.field, 'array-contains', plan.contains.value);
  }
  return plan.atMost === null ? query : query.where(plan.order.field, '<=', plan.atMost);
}

function inOrder(opened: FirestoreClient, plan: FirestorePlan, after: Cursor | undefined): Query {
  const { field, direction } = plan.order;
  const { FieldPath, Timestamp } = opened.library;
  const ordered = queryOf(opened, plan)
    .orderBy(field, direction)
    .orderBy(FieldPath.documentId(), direction);
  if (after === undefined) return ordered;
  const value =
    field === FIELD.changedAt ? timestampOf(Timestamp, Number(after.value)) : after.value;
  return ordered.startAfter(value, documentId(after));
}
