import type { Collection, Documents } from './documents.ts';
import type { QueryCollection, QueryName, QueryParams } from './queries.ts';

/** Names one document. Ids are ASCII, at most 200 characters, without `/`. */
export interface Key<C extends Collection = Collection> {
  readonly collection: C;
  readonly id: string;
}

/** A document as read: its value, an opaque version, and when it was last committed (UTC ms). */
export interface Stored<C extends Collection = Collection> {
  readonly key: Key<C>;
  readonly value: Documents[C];
  readonly version: string;
  /** Set by the store at commit; strictly later in each later commit, equal inside one commit. */
  readonly changedAt: number;
}

/** What must hold of a written key for the commit to succeed: no document, or this version. */
export type Expectation = 'absent' | { readonly version: string };

/** A write. Expectations ride on writes, so that none can be put on a key the commit does not write. */
export type Write =
  | { [C in Collection]: PutWrite<C> }[Collection]
  | { readonly op: 'delete'; readonly key: Key; readonly expect?: Expectation };

interface PutWrite<C extends Collection> {
  readonly op: 'put';
  readonly key: Key<C>;
  readonly value: Documents[C];
  readonly expect?: Expectation;
}

/** Where a page ended: the order field's value and the id of its last document. */
export interface Cursor {
  readonly value: string | number;
  readonly id: string;
}

/** Which part of a list is wanted. `limit` ≤ 500. */
export interface Page {
  readonly limit: number;
  readonly after?: Cursor;
}

/** A page; `next` is present when there may be more. */
export interface Listed<C extends Collection> {
  readonly items: readonly Stored<C>[];
  readonly next?: Cursor;
}

/** Most writes in one commit, keys in one get, documents in one page. */
export const STORE_LIMIT = 500;

/** Whether a commit waits for its turn where others hold it up, or is given up at once. */
export type Patience = 'wait' | 'now-or-never';

/** Durable documents. Every implementation passes test/contract/store.ts. */
export interface Store {
  /** Documents in the order of the keys, undefined where there is none. At most 500 keys. */
  get<C extends Collection>(keys: readonly Key<C>[]): Promise<(Stored<C> | undefined)[]>;
  /**
   * All or nothing, durable once it resolves. Throws {@link StaleVersion} when an expectation does not hold;
   * AppError LIMIT_EXCEEDED for more than 500 writes or two writes of one key; AppErrors STORE_BUSY when it could
   * not get its turn in time, HOST_BUSY, DISK_FULL and DATA_DIR_UNUSABLE: nothing was written. After AppError UNAVAILABLE, and only
   * then, nobody knows: all of it was written or nothing, so read before you write it again. `patience`: default 'wait'.
   */
  commit(writes: readonly Write[], patience?: Patience): Promise<void>;
  /** One page of a query of the catalogue, ordered by (order field, id). */
  list<Q extends QueryName>(
    query: Q,
    params: QueryParams<Q>,
    page: Page,
  ): Promise<Listed<QueryCollection<Q>>>;
  /** How many documents match. */
  count<Q extends QueryName>(query: Q, params: QueryParams<Q>): Promise<number>;
}

/** A commit lost a race: another commit changed one of its keys first. Nothing was written. */
export class StaleVersion extends Error {
  override readonly name = 'StaleVersion';
  readonly keys: readonly Key[];

  constructor(keys: readonly Key[]) {
    super(
      `changed by another commit: ${keys.map((key) => `${key.collection}/${key.id}`).join(', ')}`,
    );
    this.keys = keys;
  }
}

/** A write that puts a document. */
export function put<C extends Collection>(
  key: Key<C>,
  value: Documents[C],
  expect?: Expectation,
): Write {
  // The union of writes ties key and value together by collection; TypeScript cannot follow that through C.
  const write: PutWrite<C> =
    expect === undefined ? { op: 'put', key, value } : { op: 'put', key, value, expect };
  return write as unknown as Write;
}
