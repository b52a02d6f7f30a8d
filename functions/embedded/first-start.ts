import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { systemCode } from '../adapters/local/durable-file.ts';
import { dataDirAt } from './data-dir.ts';

const DATABASE_PARTS = ['', '-wal', '-shm', '-journal'];

/** The folders that have to be made for a path to be one: itself and those above it, deepest first. */
export async function missingFolders(path: string): Promise<string[]> {
  try {
    await stat(path);
    return [];
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) return [];
    return [path, ...(await missingFolders(dirname(path)))];
  }
}

/**
 * Whether nobody has kept anything in a data directory yet. For who holds its lock. What stands there is the log of who
 * starts a service in the background.
 */
export async function isUnused(path: string): Promise<boolean> {
  const names = await readdir(path);
  // SQLite keeps a journal beside a lock that is held.
  const lock = basename(dataDirAt(path).lock);
  return names.every((name) => name === 'serve.log' || name.startsWith(lock));
}

/** Removes what a service keeps in a directory, and the folders that were made for it, as far as they are empty then. */
export async function takeBack(path: string, made: readonly string[]): Promise<void> {
  const { path: _, log, database, lock, ...places } = dataDirAt(path);
  const files = [database, lock].flatMap((file) => DATABASE_PARTS.map((part) => `${file}${part}`));
  for (const place of [...files, dirname(log), ...Object.values(places)]) {
    await rm(place, { recursive: true, force: true });
  }
  for (const folder of made) {
    if (!(await removeEmpty(folder))) return;
  }
}

// False when somebody else keeps something there.
async function removeEmpty(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}
