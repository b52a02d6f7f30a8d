import type { Collection } from '../../ports/documents.ts';
import { QUERIES, type QueryName, type QueryParams } from '../../ports/queries.ts';
import {
  type Key,
  type Page,
  StaleVersion,
  type Store,
  type Stored,
  type Write,
} from '../../ports/store.ts';
import {
  checkKeys,
  checkPage,
  checkSchemaVersion,
  checkWrites,
  cursorOf,
  expectationHolds,
  keyText,
  querySpec,
} from '../../ports/store-rules.ts';
import { frozenJson } from './frozen-json.ts';
import { type AnyParams, MemoryIndex } from './memory-index.ts';

/** What a memory store is made of. */
export interface MemoryStoreOptions {
  /** UTC milliseconds, for `changedAt`. */
  readonly clock: { now(): number };
  /** Called inside each commit, once its writes are in; for observers in tests. */
  readonly onCommit?: (writes: readonly Write[], changedAt: number) => void;
}

/**
 * Documents in this process, gone with it. Each operation happens at once, when it is called. What is read is
 * deeply frozen. Made for simulations: a commit costs its changed parts, a query its result.
 */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  const table = new Table();
  let lastChange = 0;

  return {
    async get(keys) {
      checkKeys(keys);
      return keys.map((key) => table.read(key));
    },
    async commit(writes) {
      checkWrites(writes);
      const stale = writes.filter(
        ({ key, expect }) => !expectationHolds(expect, table.versionOf(key)),
      );
      if (stale.length > 0) throw new StaleVersion(stale.map(({ key }) => key));
      if (writes.length === 0) return;
      lastChange = Math.max(Math.floor(options.clock.now()), lastChange + 1);
      for (const write of writes) table.write(write, lastChange);
      options.onCommit?.(writes, lastChange);
    },
    async list(query, params, page) {
      return table.list(query, params, page);
    },
    async count(query, params) {
      return table.index(query).count(anyParams(params));
    },
  };
}

class Table {
  readonly #documents = new Map<string, Stored>();
  readonly #indexes = new Map<QueryName, MemoryIndex>();
  readonly #indexesOf = new Map<Collection, MemoryIndex[]>();

  constructor() {
    for (const name of Object.keys(QUERIES) as QueryName[]) {
      const spec = querySpec(name);
      const index = new MemoryIndex(spec);
      this.#indexes.set(name, index);
      const others = this.#indexesOf.get(spec.collection) ?? [];
      this.#indexesOf.set(spec.collection, [...others, index]);
    }
  }

  versionOf(key: Key): string | undefined {
    return this.#documents.get(keyText(key))?.version;
  }

  read<C extends Collection>(key: Key<C>): Stored<C> | undefined {
    const stored = this.#documents.get(keyText(key));
    return stored === undefined ? undefined : readable<C>(stored);
  }

  write(write: Write, changedAt: number): void {
    const text = keyText(write.key);
    const after = write.op === 'delete' ? undefined : storedOf(write, changedAt);
    for (const index of this.#indexesOf.get(write.key.collection) ?? []) {
      index.replace(write.key.id, after);
    }
    if (after === undefined) this.#documents.delete(text);
    else this.#documents.set(text, after);
  }

  index(query: QueryName): MemoryIndex {
    const index = this.#indexes.get(query);
    if (index === undefined) throw new TypeError(`no query ${query}`);
    return index;
  }

  list<Q extends QueryName>(query: Q, params: QueryParams<Q>, page: Page) {
    checkPage(page);
    // One more than asked for, to know whether there is a next page.
    const found = this.index(query).list(anyParams(params), page.limit + 1, page.after);
    const items = found
      .slice(0, page.limit)
      .map((stored) => readable<(typeof QUERIES)[Q]['collection']>(stored));
    const last = found[page.limit - 1];
    return found.length > page.limit && last !== undefined
      ? { items, next: cursorOf(querySpec(query), last) }
      : { items };
  }
}

function storedOf({ key, value }: Extract<Write, { op: 'put' }>, changedAt: number): Stored {
  return frozenJson<Stored>({ key, value, version: String(changedAt), changedAt });
}

function anyParams(params: object): AnyParams {
  return params as AnyParams;
}

// The key's collection says what the value is; the map of all documents cannot.
function readable<C extends Collection>(stored: Stored): Stored<C> {
  checkSchemaVersion(stored.key, stored.value);
  return stored as unknown as Stored<C>;
}
