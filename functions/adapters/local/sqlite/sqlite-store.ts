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
  type Cursor,
  type Key,
  type Listed,
  type Page,
  type Patience,
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
  keyText,
  querySpec,
} from '../../../ports/store-rules.ts';
import type { WireCommit, WireWrite } from './sqlite-commit-program.ts';
import { CommitThread, Reshaped } from './sqlite-commit-thread.ts';
import { inSnapshot, openDatabase, type SqliteOptions } from './sqlite-database.ts';
import { asStoreError, damagedRow, isSqlError } from './sqlite-errors.ts';
import { StoreLine } from './sqlite-line.ts';
import { MIGRATIONS, readShape } from './sqlite-migrations.ts';
import { type BoundSql, countSql, endSql, listSql, type Stretch } from './sqlite-queries.ts';
import { rowOf } from './sqlite-rows.ts';
import { shapeOf, TABLES } from './sqlite-schema.ts';

/** A store in a file, shared by any number of processes of one machine. */
export interface SqliteStore extends Store {
  /** When something was last committed (UTC ms); 0: never. */
  lastChangeAt(): Promise<number>;
  /** Moves what was committed into the main file, where no other process hinders that, and closes; once is enough. */
  close(): void;
}

/**
 * Opens, and makes or upgrades, the database of one machine. Each operation blocks the event loop for its own time
 * (commits that come together: one fsync) and at most 25 ms of waiting; waiting longer is asynchronous, up to about 10 s, then
 * AppError STORE_BUSY. Throws AppErrors DATA_DIR_UNUSABLE (network filesystem, no access, not our file), DISK_FULL,
 * SCHEMA_TOO_NEW (of a newer caliban), and with `readOnly` NO_SERVICE where there is no database.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
  return new FileStore(await openDatabase(options), options);
}

/** How long closing waits for the last commit (ms). */
const LAST_COMMIT_MS = 10_000;
/** Rows counted without a look at the event loop: some 20 ms. */
const COUNT_ROWS = 200_000;

class FileStore implements SqliteStore {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #shape: string;
  readonly #countRows: number;
  readonly #statements = new Map<string, StatementSync>();
  readonly #thread: CommitThread;
  readonly #line: StoreLine;

  constructor(db: DatabaseSync, options: SqliteOptions) {
    this.#db = db;
    this.#clock = options.clock;
    this.#path = options.path;
    this.#readOnly = options.readOnly === true;
    this.#shape = shapeOf((options.migrations ?? MIGRATIONS).length);
    this.#countRows = options.countRows ?? COUNT_ROWS;
    this.#thread = new CommitThread(options.path, this.#shape);
    this.#line = new StoreLine(options.clock, this.#thread);
  }

  async get<C extends Collection>(keys: readonly Key<C>[]): Promise<(Stored<C> | undefined)[]> {
    checkKeys(keys);
    const asked = keys.map(({ collection, id }) => ({ collection, id }));
    return await this.#told(
      this.#line.read(() => inSnapshot(this.#db, () => asked.map((key) => this.#read(key)))),
    );
  }

  async commit(writes: readonly Write[], patience: Patience = 'wait'): Promise<void> {
    checkWrites(writes);
    if (writes.length === 0) return;
    if (this.#readOnly) throw openedToRead(this.#path);
    const commit: WireCommit = { now: this.#clock.now(), writes: writes.map(wireWrite) };
    const outcome = await this.#told(this.#line.commit(commit, patience));
    if ('at' in outcome) return;
    const stale = new Set(outcome.stale);
    throw new StaleVersion(writes.filter((_, index) => stale.has(index)).map(({ key }) => key));
  }

  async list<Q extends QueryName>(
    query: Q,
    params: QueryParams<Q>,
    page: Page,
  ): Promise<Listed<QueryCollection<Q>>> {
    checkPage(page);
    const asked = listSql(query, params, page);
    const rows = await this.#told(this.#line.read(() => this.#prepare(asked).all(...asked.values)));
    const collection: QueryCollection<Q> = QUERIES[query].collection;
    const items = rows
      .slice(0, page.limit)
      .map((row) => storedOf(this.#path, { collection, id: String(row['id']) }, row));
    const last = items.at(-1);
    if (rows.length <= page.limit || last === undefined) return { items };
    return { items, next: cursorOf(querySpec(query), last) };
  }

  async count<Q extends QueryName>(query: Q, params: QueryParams<Q>): Promise<number> {
    let total = 0;
    let after: Cursor | undefined;
    do {
      const stretch: Stretch = { after, rows: this.#countRows };
      const counted = await this.#told(
        this.#line.read(() => inSnapshot(this.#db, () => this.#count(query, params, stretch))),
      );
      total += counted.count;
      after = counted.end;
    } while (after !== undefined);
    return total;
  }

  async lastChangeAt(): Promise<number> {
    const sql = 'SELECT "changed_at" FROM "meta"';
    const row = await this.#told(this.#line.read(() => this.#prepare({ sql }).get()));
    return Number(row?.['changed_at']);
  }

  close(): void {
    if (!this.#db.isOpen) return;
    this.#thread.close(LAST_COMMIT_MS);
    this.#statements.clear();
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
    return row === undefined ? undefined : storedOf<C>(this.#path, key, row);
  }

  // `end` where there may be more.
  #count(query: QueryName, params: object, stretch: Stretch): Counted {
    const isSmall =
      stretch.after === undefined && this.#mostRows(QUERIES[query].collection) <= stretch.rows;
    const asked = countSql(query, params, isSmall ? undefined : stretch);
    const count = Number(this.#prepare(asked).get(...asked.values)?.['count']);
    if (isSmall || count < stretch.rows) return { count };
    const last = endSql(query, params, stretch);
    const { value, id } = this.#prepare(last).get(...last.values) ?? {};
    const isText = typeof value === 'string';
    return { count, end: { value: isText ? value : Number(value), id: String(id) } };
  }

  // Rows that were removed may be counted; it takes no time.
  #mostRows(collection: Collection): number {
    const sql = `SELECT max(rowid) AS "most" FROM "${collection}"`;
    return Number(this.#prepare({ sql }).get()?.['most']);
  }

  #prepare({ sql }: Pick<BoundSql, 'sql'>): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  async #told<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      // The columns and indexes that our statements name may be gone.
      const isReshaped = isSqlError(error) && readShape(this.#db) !== this.#shape;
      if (isReshaped || error instanceof Reshaped) throw this.#reshaped();
      throw asStoreError(error, this.#path);
    }
  }

  #reshaped(): AppError {
    return new AppError(
      'SCHEMA_TOO_NEW',
      `${this.#path} was changed by another version of caliban while this one used it`,
      { hint: 'Stop this process and start it again with the newest version.' },
    );
  }
}

interface Counted {
  readonly count: number;
  readonly end?: Cursor;
}

/** With its row made: nothing the caller changes later can reach it. */
function wireWrite(write: Write): WireWrite {
  const { collection, id } = write.key;
  const { expect } = write;
  return {
    collection,
    id,
    expect: expect === undefined || expect === 'absent' ? (expect ?? null) : Number(expect.version),
    row: write.op === 'put' ? rowOf(TABLES[collection], write.value) : null,
  };
}

function openedToRead(path: string): AppError {
  return new AppError('DATA_DIR_UNUSABLE', `${path} was opened only to be read`, {
    hint: 'Start the service with `caliban serve`, or name its directory with --data_dir.',
  });
}

/** Every commit has its own `changedAt`, so that it is the version too. */
function storedOf<C extends Collection>(
  path: string,
  key: Key<C>,
  row: Record<string, unknown>,
): Stored<C> {
  const changedAt = Number(row['changed_at']);
  const value = documentOf<C>(path, key, String(row['value']));
  checkSchemaVersion(key, value);
  return { key, value, version: String(changedAt), changedAt };
}

function documentOf<C extends Collection>(path: string, key: Key<C>, text: string): Documents[C] {
  try {
    // Written by `rowOf` from a document of this collection.
    return JSON.parse(text) as Documents[C];
  } catch (error) {
    throw damagedRow(path, keyText(key), error);
  }
}
