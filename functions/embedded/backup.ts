import { copyFile, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import { copyAttempts } from '../adapters/local/attempts/attempt-backup.ts';
import { type CopyRun, copyTree, syncDisks } from '../adapters/local/backup/copy-tree.ts';
import { asDiskError } from '../adapters/local/disk-errors.ts';
import { orAbsent, syncDirectory, systemCode } from '../adapters/local/durable-file.ts';
import { copyLayers } from '../adapters/local/layers/layer-backup.ts';
import { backupDatabase } from '../adapters/local/sqlite/sqlite-backup.ts';
import { openSqliteStore, type SqliteStore } from '../adapters/local/sqlite/sqlite-store.ts';
import { createWakeQueue } from '../adapters/local/wake-queue.ts';
import { forgetEnvironments } from '../core/forget-environments.ts';
import { getOne } from '../core/records.ts';
import { SILENT, systemClock, systemRandom } from '../runtime/system.ts';
import { type DataDir, dataDirAt, makeWithParents } from './data-dir.ts';

/** What to copy, and where to. */
export interface BackupRequest {
  readonly dataDir: string;
  /** Must not be there, or be an empty directory. */
  readonly target: string;
  readonly signal: AbortSignal;
}

/** What a backup holds. */
export interface BackupView {
  readonly target: string;
  readonly jobs: number;
  readonly attempts: number;
  readonly files: number;
  readonly bytes: number;
  /** Paths that this user may not read: they are not in it. */
  readonly unreadable: readonly string[];
}

/**
 * Copies a data directory while its service runs, or does not. The records come first, as they are at one instant; layers and attempts
 * that they name are never changed or removed, so they can be copied afterwards. Virtualenvs cannot be moved, and images are the
 * engine's: who serves the copy makes them again where they are not. The copy gets its name only when it is whole and on the disk. Throws AppErrors USAGE for a target
 * that is taken or inside the directory, and NO_SERVICE, DATA_DIR_UNUSABLE, DISK_FULL.
 */
export async function backupDataDir(request: BackupRequest): Promise<BackupView> {
  const from = dataDirAt(resolve(request.dataDir));
  const target = resolve(request.target);
  await refuseTarget(from.path, target);
  // Before anything is made.
  (await openSqliteStore({ path: from.database, clock: systemClock, readOnly: true })).close();
  const draft = `${target}.partial-${process.pid}`;
  await makeDraft(draft, target);
  try {
    const view = await copyAll(from, dataDirAt(draft), request.signal);
    await syncDisks();
    request.signal.throwIfAborted();
    await giveName(draft, target);
    return { target, ...view };
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw asDiskError(error, target);
  }
}

async function copyAll(
  from: DataDir,
  to: DataDir,
  signal: AbortSignal,
): Promise<Omit<BackupView, 'target'>> {
  const run: CopyRun = { files: 0, bytes: 0, unreadable: [], signal };
  const clock = systemClock;
  await backupDatabase({ path: from.database, clock }, { path: to.database, signal });
  run.bytes += (await stat(to.database)).size;
  const store = await openSqliteStore({ path: to.database, clock });
  try {
    await copyLayers(from.layers, to.layers, run);
    const records = {
      now: clock.now,
      jobOf: async (id: string) => (await getOne({ store }, 'jobs', id))?.value ?? null,
    };
    let attempts = 0;
    for (const place of ['platform', 'docker'] as const) {
      if ((await orAbsent(stat(from[place]))) === null) continue;
      attempts += await copyAttempts({ from: from[place], to: to[place], ...records }, run);
    }
    for (const place of ['builds', 'images'] as const) {
      await copyTree({ from: from[place], to: to[place] }, run, (name) => name.endsWith('.log'));
    }
    await copyToken(from, to);
    await prepareAgain(store);
    const { files, bytes, unreadable } = run;
    return { jobs: await store.count('recentJobs', {}), attempts, files, bytes, unreadable };
  } finally {
    store.close();
  }
}

async function copyToken(from: DataDir, to: DataDir): Promise<void> {
  await orAbsent(copyFile(from.tokenFile, to.tokenFile));
}

async function prepareAgain(store: SqliteStore): Promise<void> {
  await forgetEnvironments({
    store,
    queue: createWakeQueue(() => undefined),
    clock: systemClock,
    random: systemRandom,
    log: SILENT,
  });
}

async function refuseTarget(dataDir: string, target: string): Promise<void> {
  const way = relative(await realPathOf(dataDir), await realPathOf(target));
  // Not by its first two characters: `..old` is a name as good as any.
  if (way !== '..' && !way.startsWith(`..${sep}`)) {
    throw new AppError('USAGE', `${target} is inside the data directory ${dataDir}.`, {
      hint: 'Name a directory outside it, best on another disk.',
    });
  }
  const there = await orAbsent(readdir(target)).catch(async (cause: unknown) => {
    // A file above it is no reason to say that the target is there.
    throw (await isThere(target)) ? taken(target, cause) : unmakable(target, cause);
  });
  if (there !== null && there.length > 0) throw taken(target);
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function makeDraft(draft: string, target: string): Promise<void> {
  try {
    await makeWithParents(dirname(draft), 0o777);
    await mkdir(draft, { mode: 0o700 });
  } catch (error) {
    const known = asDiskError(error, target);
    throw isAppError(known, 'DISK_FULL') || isAppError(known, 'HOST_BUSY')
      ? known
      : unmakable(target, error);
  }
}

// Of a path that need not exist, the part that does.
async function realPathOf(path: string): Promise<string> {
  const real = await orAbsent(realpath(path)).catch(() => null);
  const parent = dirname(path);
  return real ?? (parent === path ? path : join(await realPathOf(parent), basename(path)));
}

async function giveName(draft: string, target: string): Promise<void> {
  try {
    await rename(draft, target);
  } catch (error) {
    const code = systemCode(error);
    throw code === 'ENOTEMPTY' || code === 'EEXIST' ? taken(target, error) : error;
  }
  await syncDirectory(dirname(target));
}

function unmakable(target: string, cause: unknown): AppError {
  return new AppError(
    'USAGE',
    `${target} cannot be made: ${REASONS[systemCode(cause) ?? ''] ?? String(cause)}.`,
    {
      hint: 'Name a new directory in one that this user may write to, best on another disk.',
      cause,
    },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'a part of its path is a file',
  ENOENT: 'the system makes nothing there',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its path leads in a circle',
};

function taken(target: string, cause?: unknown): AppError {
  return new AppError('USAGE', `${target} is there already, and not an empty directory.`, {
    hint: `Name a new one for each backup, for example ${basename(target)}-2.`,
    cause,
  });
}
