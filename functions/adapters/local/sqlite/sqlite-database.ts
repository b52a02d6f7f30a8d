import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { AppError } from '../../../../shared/errors/app-error.ts';
import type { Clock } from '../../../ports/runtime.ts';
import { isNetworkFilesystem } from './network-filesystem.ts';
import { asStoreError, lacksSideFiles } from './sqlite-errors.ts';
import { inspectDatabase, MIGRATIONS, migrateDatabase, type Wanted } from './sqlite-migrations.ts';
import { BUSY_TIMEOUT_MS, takeTurn } from './sqlite-turn.ts';

/** Which file, and how it is used. */
export interface SqliteOptions {
  /** The file, `service.db` in the data directory; made with its directory unless `readOnly`. */
  readonly path: string;
  readonly clock: Clock;
  /** Writes nothing and makes no database. */
  readonly readOnly?: boolean;
  /** Text of /proc/self/mountinfo; the machine's own when absent. */
  readonly mountinfo?: string;
  /** What a future version would bring; those of this build when absent. */
  readonly migrations?: readonly string[];
  /** Rows counted in one stretch, between two of which something may be committed; 200,000 when absent. */
  readonly countRows?: number;
}

/** Whether there is a database to open with `readOnly`. */
export function sqliteStoreExists(path: string): boolean {
  return existsSync(path);
}

/** An open database of the shape this build needs. Throws what {@link openSqliteStore} says. */
export async function openDatabase(options: SqliteOptions): Promise<DatabaseSync> {
  const path = resolve(options.path);
  refuseNetworkFilesystem(path, options.mountinfo);
  const { clock, migrations = MIGRATIONS } = options;
  try {
    return options.readOnly === true
      ? await openToRead({ path, migrations }, clock)
      : await openToWrite({ path, migrations }, clock);
  } catch (error) {
    throw asStoreError(error, path);
  }
}

/** Runs `body`, which only reads, on one state of the database. */
export function inSnapshot<T>(db: DatabaseSync, body: () => T): T {
  return between(db, 'BEGIN', body);
}

/** Runs `body` in one transaction that has the write lock; nothing of it stays when it throws. */
export function inTransaction<T>(db: DatabaseSync, body: () => T): T {
  return between(db, 'BEGIN IMMEDIATE', body);
}

function between<T>(db: DatabaseSync, begin: string, body: () => T): T {
  db.exec(begin);
  try {
    const result = body();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // A full disk or an I/O error may have ended the transaction already.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

async function openToWrite(wanted: Wanted, clock: Clock): Promise<DatabaseSync> {
  const { path } = wanted;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  return await closeUnless(db, async () => {
    // SQLite opens a file it may not write to read it, and says so only when asked to write.
    accessSync(path, constants.W_OK);
    const state = await takeTurn(clock, () => inspectDatabase(db, wanted));
    await takeTurn(clock, () => configure(db, path));
    if (state !== 'current') {
      await takeTurn(clock, () => inTransaction(db, () => migrateDatabase(db, wanted)));
    }
  });
}

async function openToRead(wanted: Wanted, clock: Clock): Promise<DatabaseSync> {
  const { path } = wanted;
  if (!sqliteStoreExists(path)) throw nothingYet(path);
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly: true });
  try {
    return await closeUnless(db, () => takeTurn(clock, () => requireCurrent(db, wanted)));
  } catch (error) {
    // Reading a WAL database needs side files, which only who may write here can make, and only where there is room. Without
    // anything in a WAL the file is whole, and no process has it open: it can be read as it stands.
    if (!lacksSideFiles(error) || hasWal(path)) throw error;
    const whole = new DatabaseSync(new URL(`${pathToFileURL(path).href}?immutable=1`), {
      readOnly: true,
    });
    return await closeUnless(whole, async () => requireCurrent(whole, wanted));
  }
}

function hasWal(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function requireCurrent(db: DatabaseSync, wanted: Wanted): void {
  const { path } = wanted;
  const state = inspectDatabase(db, wanted);
  if (state === 'empty') throw nothingYet(path);
  if (state === 'current') return;
  throw new AppError('DATA_DIR_UNUSABLE', `${path} was last used by another version of caliban`, {
    hint: 'Run `caliban serve` once with this version.',
  });
}

async function closeUnless(db: DatabaseSync, body: () => Promise<void>): Promise<DatabaseSync> {
  try {
    await body();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function configure(db: DatabaseSync, path: string): void {
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
  if (mode !== 'wal') {
    throw new AppError(
      'DATA_DIR_UNUSABLE',
      `${path} cannot have a write-ahead log here (${mode})`,
      {
        hint: 'Name a directory on a local disk with --data_dir.',
      },
    );
  }
  // FULL: a commit is on the disk when it resolves. 64 MiB of log are kept for reuse, 32 MiB of pages in memory.
  db.exec(`PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${64 * 1024 * 1024};
    PRAGMA cache_size = -${32 * 1024}`);
}

function refuseNetworkFilesystem(path: string, mountinfo: string | undefined): void {
  const isNetwork =
    mountinfo === undefined ? isNetworkFilesystem(path) : isNetworkFilesystem(path, mountinfo);
  if (!isNetwork) return;
  throw new AppError('DATA_DIR_UNUSABLE', `${path} is on a network filesystem`, {
    hint: 'The database needs a local disk: name a directory on one with --data_dir.',
    context: { path },
  });
}

function nothingYet(path: string): AppError {
  return new AppError('NO_SERVICE', `there is no database at ${path}`, {
    hint: 'Start the service with `caliban serve`, or name its directory with --data_dir.',
  });
}
