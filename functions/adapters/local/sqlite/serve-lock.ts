import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { asStoreError, isBusy } from './sqlite-errors.ts';

/** The right to run jobs of a data directory. */
export interface ServeLock {
  /** Gives it up; once is enough. The kernel does it when the process ends, however it ends. */
  release(): void;
}

// A lock whose handle nobody keeps must not go with the garbage.
const held = new Set<DatabaseSync>();

/**
 * Takes the lock of a data directory, on a file (`serve.lock`) that is made when missing and stays. Throws at once:
 * AppError SERVICE_LOCKED when a process has it, this one too; DATA_DIR_UNUSABLE when the file cannot be used.
 */
export function acquireServeLock(path: string): ServeLock {
  const file = resolve(path);
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return lockOf(new DatabaseSync(file, { timeout: 0 }));
  } catch (error) {
    if (!isBusy(error)) throw asStoreError(error, file);
    throw new AppError('SERVICE_LOCKED', `another service runs in ${dirname(file)}`, {
      hint: 'Use it, stop it, or name another directory with --data_dir.',
      context: { path: file },
      cause: error,
    });
  }
}

function lockOf(db: DatabaseSync): ServeLock {
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    throw error;
  }
  held.add(db);
  return {
    release() {
      if (!held.delete(db)) return;
      db.exec('ROLLBACK');
      db.close();
    },
  };
}
