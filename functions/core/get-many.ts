import type { Collection, Documents } from '../ports/documents.ts';
import { STORE_LIMIT, type Store } from '../ports/store.ts';

/** Documents by id, each asked for once; those that do not exist are left out. */
export async function getMany<C extends Collection>(
  deps: { readonly store: Store },
  collection: C,
  ids: Iterable<string>,
): Promise<ReadonlyMap<string, Documents[C]>> {
  const wanted = [...new Set(ids)];
  const found = new Map<string, Documents[C]>();
  for (let from = 0; from < wanted.length; from += STORE_LIMIT) {
    const keys = wanted.slice(from, from + STORE_LIMIT).map((id) => ({ collection, id }));
    for (const stored of await deps.store.get(keys)) {
      if (stored !== undefined) found.set(stored.key.id, stored.value);
    }
  }
  return found;
}
