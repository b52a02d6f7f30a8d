import type { Collection } from '../../ports/documents.ts';
import type { QueryCollection, QueryName, QueryParams } from '../../ports/queries.ts';
import type { Key, Listed, Page, Store, Stored, Write } from '../../ports/store.ts';
import {
  checkKeys,
  checkPage,
  checkWrites,
  cursorOf,
  keyText,
  querySpec,
} from '../../ports/store-rules.ts';
import { createChangeLister } from './firestore-changes.ts';
import {
  createFirestoreClient,
  type FirestoreSettings,
  type LoadedFirestore,
} from './firestore-client.ts';
import { commitWrites, referenceOf } from './firestore-commit.ts';
import { storedOf } from './firestore-documents.ts';
import { FIELD, type FirestorePlan, planQuery } from './firestore-plan.ts';
import { queryBehind, queryOf } from './firestore-queries.ts';
import { asReadError } from './firestore-read-error.ts';

/** A read, with all that the library repeats of it (ms). */
const READ_MS = 10_000;

/**
 * Documents in Firestore, in native mode. A commit is one write request with preconditions, never a transaction. Nothing is loaded or
 * asked before the first use.
 */
export function createFirestoreStore(
  settings: FirestoreSettings,
): Store & { close(): Promise<void> } {
  const client = createFirestoreClient(settings);
  const changes = createChangeLister(client);

  async function read<T>(call: (loaded: LoadedFirestore) => Promise<T>): Promise<T> {
    return await client.within(READ_MS, call).catch((error: unknown) => {
      throw asReadError(error);
    });
  }

  return {
    async get<C extends Collection>(keys: readonly Key<C>[]) {
      checkKeys(keys);
      if (keys.length === 0) return [];
      // The library asks for each document once, however often it is named.
      const distinct = [...new Map(keys.map((key) => [keyText(key), key])).values()];
      const snapshots = await read((loaded) =>
        loaded.firestore.getAll(...distinct.map((key) => referenceOf(loaded, key))),
      );
      const found = new Map(distinct.map((key, at) => [keyText(key), snapshots[at]]));
      return keys.map((key) => {
        const snapshot = found.get(keyText(key));
        return snapshot === undefined ? undefined : storedOf(key.collection, snapshot);
      });
    },
    async commit(writes: readonly Write[], patience = 'wait') {
      checkWrites(writes);
      if (writes.length > 0) await commitWrites(client, writes, patience);
    },
    async list<Q extends QueryName>(query: Q, params: QueryParams<Q>, page: Page) {
      checkPage(page);
      const plan = planOf(query, params);
      if (plan.order.field === FIELD.stampedAt) {
        const changed = await changes.list(plan, page, READ_MS).catch((error: unknown) => {
          throw asReadError(error);
        });
        return pageOf(query, changed, page.limit);
      }
      const { docs } = await read((loaded) =>
        queryBehind(loaded, plan, page.after)
          .limit(page.limit + 1)
          .get(),
      );
      const documents = docs.flatMap((each) => storedOf(plan.collection, each) ?? []);
      return pageOf(query, documents, page.limit);
    },
    async count(query, params) {
      const plan = planQuery(query, params);
      const snapshot = await read((loaded) => queryOf(loaded, plan).count().get());
      return snapshot.data().count;
    },
    close: () => client.close(),
  };
}

function planOf<Q extends QueryName>(query: Q, params: QueryParams<Q>) {
  // The catalogue ties a query to its collection; TypeScript cannot follow that through Q.
  return planQuery(query, params) as FirestorePlan & { readonly collection: QueryCollection<Q> };
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
