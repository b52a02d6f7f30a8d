import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Collection, Documents } from '../../../ports/documents.ts';
import {
  QUERIES,
  type QueryCollection,
  type QueryName,
  type QueryParams,
} from '../../../ports/queries.ts';
import type { Clock } from '../../../ports/runtime.ts';
import {
  type Key,
  type Listed,
  type Page,
  StaleVersion,
  type Store,
  type Stored,
  type Write,
} from '../../../ports/store.ts';
import {
  checkKeys,
  checkPage,
  checkSchemaVersion,
  checkWrites,
  cursorOf,
  expectationHolds,
  querySpec,
} from '../../../ports/store-rules.ts';
import { inSnapshot, inTransaction, openDatabase, type SqliteOptions } from './sqlite-database.ts';
import { asStoreError, isSqlError } from './sqlite-errors.ts';
import { MIGRATIONS, readShape } from './sqlite-migrations.ts';
import { type BoundSql, countSql, listSql } from './sqlite-queries.ts';
import { type Row, rowOf } from './sqlite-rows.ts';
import { shapeOf, TABLES } from './sqlite-schema.ts';
import { takeTurn } from './sqlite-turn.ts';
import { SqliteWriter } from './sqlite-writer.ts';

/** A store in a file, shared by any number of processes of one machine. */
export interface SqliteStore extends Store {
  /** When something was last committed (UTC ms); 0: never. */
  lastChangeAt(): Promise<number>;
  /** Moves what was committed into the main file, where no other process hinders that, and closes; once is enough. */
  close(): void;
}

/**
 * Opens, and makes or upgrades, the database of one machine. Each operation blocks the event loop for its own time
 * (a commit: one fsync) and at most 25 ms of waiting; waiting longer is asynchronous, up to about 10 s, then AppError
 * STORE_BUSY. Throws AppErrors DATA_DIR_UNUSABLE (network filesystem, no access, not our file), DISK_FULL,
 * SCHEMA_TOO_NEW (of a newer caliban), and with `readOnly` NO_SERVICE where there is no database.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
  return new FileStore(await openDatabase(options), options);
}

/** A write with its row made: nothing the caller changes later can reach it. */
interface PreparedWrite {
  readonly write: Write;
  readonly row: Row | undefined;
}

/** After so much work (ms) the event loop gets its turn. */
const HELD_MS = 8;

class FileStore implements SqliteStore {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #shape: string;
  readonly #statements = new Map<string, StatementSync>();
  readonly #writers = new Map<Collection, SqliteWriter>();
  #yieldedAt = performance.now();

  constructor(db: DatabaseSync, options: SqliteOptions) {
    this.#db = db;
    this.#clock = options.clock;
    this.#path = options.path;
    this.#readOnly = options.readOnly === true;
    this.#shape = shapeOf((options.migrations ?? MIGRATIONS).length);
  }

  async get<C extends Collection>(keys: readonly Key<C>[]): Promise<(Stored<C> | undefined)[]> {
    checkKeys(keys);
    const asked = keys.map(({ collection, id }) => ({ collection, id }));
    return await this.#turn(() => inSnapshot(this.#db, () => asked.map((key) => this.#read(key))));
  }

  async commit(writes: readonly Write[]): Promise<void> {
    checkWrites(writes);
    if (writes.length === 0) return;
    const prepared = writes.map((write) => ({ write, row: preparedRow(write) }));
    await this.#turn(() => inTransaction(this.#db, () => this.#write(prepared)));
  }

  async list<Q extends QueryName>(
    query: Q,
    params: QueryParams<Q>,
    page: Page,
  ): Promise<Listed<QueryCollection<Q>>> {
    checkPage(page);
    const asked = listSql(query, params, page);
    const rows = await this.#turn(() => this.#prepare(asked).all(...asked.values));
    const collection: QueryCollection<Q> = QUERIES[query].collection;
    const items = rows
      .slice(0, page.limit)
      .map((row) => storedOf({ collection, id: String(row['id']) }, row));
    const last = items.at(-1);
    if (rows.length <= page.limit || last === undefined) return { items };
    return { items, next: cursorOf(querySpec(query), last) };
  }

  async count<Q extends QueryName>(query: Q, params: QueryParams<Q>): Promise<number> {
    const asked = countSql(query, params);
    const row = await this.#turn(() => this.#prepare(asked).get(...asked.values));
    return Number(row?.['count']);
  }

  async lastChangeAt(): Promise<number> {
    const sql = 'SELECT "changed_at" FROM "meta"';
    const row = await this.#turn(() => this.#prepare({ sql }).get());
    return Number(row?.['changed_at']);
  }

  close(): void {
    if (!this.#db.isOpen) return;
    this.#statements.clear();
    this.#writers.clear();
    try {
      if (!this.#readOnly) this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // A reader elsewhere or a full disk may hinder it; the log keeps everything then.
    } finally {
      this.#db.close();
    }
  }

  #read<C extends Collection>(key: Key<C>): Stored<C> | undefined {
    const sql = `SELECT "changed_at", "value" FROM "${key.collection}" WHERE "id" = ?`;
    const row = this.#prepare({ sql }).get(key.id);
    return row === undefined ? undefined : storedOf<C>(key, row);
  }

  #write(prepared: readonly PreparedWrite[]): void {
    const meta = this.#prepare({ sql: 'SELECT "shape", "changed_at" FROM "meta"' }).get();
    if (meta?.['shape'] !== this.#shape) throw this.#reshaped();
    const current = prepared.map(({ write: { key } }) => this.#writer(key).current(key));
    const stale = prepared.flatMap(({ write }, i) =>
      expectationHolds(write.expect, versionOf(current[i]?.changedAt)) ? [] : [write.key],
    );
    if (stale.length > 0) throw new StaleVersion(stale);
    const at = Math.max(Math.floor(this.#clock.now()), Number(meta['changed_at']) + 1);
    for (const [i, { write, row }] of prepared.entries()) {
      const writer = this.#writer(write.key);
      if (row === undefined) writer.delete(write.key, current[i]);
      else writer.put(write.key, row, { current: current[i], at });
    }
    this.#prepare({ sql: 'UPDATE "meta" SET "changed_at" = ?' }).run(at);
  }

  #prepare({ sql }: Pick<BoundSql, 'sql'>): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #writer({ collection }: Key): SqliteWriter {
    const known = this.#writers.get(collection);
    if (known !== undefined) return known;
    const writer = new SqliteWriter(this.#db, collection);
    this.#writers.set(collection, writer);
    return writer;
  }

  async #turn<T>(attempt: () => T): Promise<T> {
    try {
      const result = await takeTurn(this.#clock, attempt);
      await this.#letOthersRun();
      return result;
    } catch (error) {
      // The columns and indexes that our statements name may be gone.
      if (isSqlError(error) && readShape(this.#db) !== this.#shape) throw this.#reshaped();
      throw asStoreError(error, this.#path);
    }
  }

  // Our calls answer at once, so a caller's loop over them would never let the process look at its sockets.
  async #letOthersRun(): Promise<void> {
    if (performance.now() - this.#yieldedAt < HELD_MS) return;
    await new Promise(setImmediate);
    this.#yieldedAt = performance.now();
  }

  #reshaped(): AppError {
    return new AppError(
      'SCHEMA_TOO_NEW',
      `${this.#path} was changed by another version of caliban while this one used it`,
      { hint: 'Stop this process and start it again with the newest version.' },
    );
  }
}

function preparedRow(write: Write): Row | undefined {
  return write.op === 'put' ? rowOf(TABLES[write.key.collection], write.value) : undefined;
}

function versionOf(changedAt: number | undefined): string | undefined {
  return changedAt === undefined ? undefined : String(changedAt);
}

/** Every commit has its own `changedAt`, so that it is the version too. */
function storedOf<C extends Collection>(key: Key<C>, row: Record<string, unknown>): Stored<C> {
  const changedAt = Number(row['changed_at']);
  // Written by `rowOf` from a document of this collection.
  const value = JSON.parse(String(row['value'])) as Documents[C];
  checkSchemaVersion(key, value);
  return { key, value, version: String(changedAt), changedAt };
}
