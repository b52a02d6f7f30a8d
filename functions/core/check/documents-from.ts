import type { Collection } from '../../ports/documents.ts';
import type { QueryCollection, QueryName, QueryParams } from '../../ports/queries.ts';
import type { Cursor, Key, Stored } from '../../ports/store.ts';
import { STORE_LIMIT } from '../../ports/store.ts';
import { cursorOf, keyText, querySpec } from '../../ports/store-rules.ts';
import type { CoreDeps } from '../deps.ts';
import type { Place } from './check-stage.ts';
import { absenceOf, versionOf } from './difference.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

const PAGE = 200;

/** A document, and the place behind it. */
export interface Placed<C extends Collection> {
  readonly stored: Stored<C>;
  readonly place: Place;
}

/** Every document of a query behind a place. */
export async function* documentsFrom<Q extends QueryName>(
  deps: StoreDeps,
  query: Q,
  { params, after }: { readonly params: QueryParams<Q>; readonly after: Place | null },
): AsyncGenerator<Placed<QueryCollection<Q>>> {
  let cursor = cursorAt(after);
  do {
    const at = cursor === undefined ? {} : { after: cursor };
    const page = await deps.store.list(query, params, { limit: PAGE, ...at });
    for (const stored of page.items) {
      const { value, id } = cursorOf(querySpec(query), stored);
      yield { stored, place: [value, id] };
    }
    cursor = page.next;
  } while (cursor !== undefined);
}

/** The same for a query over both values of a flag, false first: what turns true meanwhile comes twice, but none is left out. */
export async function* bothFrom<Q extends QueryName>(
  deps: StoreDeps,
  query: Q,
  { params, after }: { params(flag: boolean): QueryParams<Q>; readonly after: Place | null },
): AsyncGenerator<Placed<QueryCollection<Q>>> {
  const [pass = 0, ...inside] = after ?? [];
  for (const now of [0, 1].slice(Number(pass))) {
    const begin = now === pass && inside.length > 0 ? inside : null;
    const found = documentsFrom(deps, query, { params: params(now === 1), after: begin });
    for await (const { stored, place } of found) {
      yield { stored, place: [now, ...place] };
    }
  }
}

/** Several at a time, with the place behind the last one. */
export async function* together<C extends Collection>(
  documents: AsyncIterable<Placed<C>>,
  most: number,
): AsyncGenerator<{ readonly keys: readonly Key<C>[]; readonly place: Place }> {
  let batch: Placed<C>[] = [];
  const taken = () => ({
    keys: batch.map(({ stored }) => stored.key),
    place: batch.at(-1)?.place ?? [],
  });
  for await (const document of documents) {
    batch.push(document);
    if (batch.length < most) continue;
    yield taken();
    batch = [];
  }
  if (batch.length > 0) yield taken();
}

function cursorAt(place: Place | null): Cursor | undefined {
  const [value, id] = place ?? [];
  return value === undefined ? undefined : { value, id: String(id) };
}

/** Documents by key, read together as far as one read goes. */
export interface ReadDocuments {
  get<C extends Collection>(collection: C, id: string): Stored<C> | undefined;
  /** The version of a key, or that it has none, for the basis of a difference. */
  basis(collection: Collection, id: string): string;
}

/** Reads documents, each once. */
export async function readDocuments(deps: StoreDeps, keys: readonly Key[]): Promise<ReadDocuments> {
  const wanted = [...new Map(keys.map((key) => [keyText(key), key])).values()];
  const found = new Map<string, Stored>();
  for (let from = 0; from < wanted.length; from += STORE_LIMIT) {
    for (const stored of await deps.store.get(wanted.slice(from, from + STORE_LIMIT))) {
      if (stored !== undefined) found.set(keyText(stored.key), stored);
    }
  }
  const get = <C extends Collection>(collection: C, id: string): Stored<C> | undefined =>
    // Found under a key of this collection.
    found.get(keyText({ collection, id })) as Stored<C> | undefined;
  return {
    get,
    basis: (collection, id) => {
      const stored = get(collection, id);
      return stored === undefined ? absenceOf({ collection, id }) : versionOf(stored);
    },
  };
}
