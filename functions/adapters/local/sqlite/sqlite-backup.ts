import { chmod } from 'node:fs/promises';
import { backup } from 'node:sqlite';
import type { Clock } from '../../../ports/runtime.ts';
import { openDatabase } from './sqlite-database.ts';
import { asStoreError } from './sqlite-errors.ts';

const PAGES_AT_ONCE = 1_000;

/**
 * Copies a database as it is at one instant, whoever writes meanwhile, by SQLite's own online backup. Throws what opening it to read throws, and
 * AppErrors of the target's disk.
 */
export async function backupDatabase(
  from: { readonly path: string; readonly clock: Clock },
  to: { readonly path: string; readonly signal: AbortSignal },
): Promise<void> {
  const db = await openDatabase({ ...from, readOnly: true });
  try {
    // Without a snapshot of its own it would begin anew with each commit of another process.
    db.exec('BEGIN');
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    const progress = () => to.signal.throwIfAborted();
    await backup(db, to.path, { rate: PAGES_AT_ONCE, progress });
    await chmod(to.path, 0o600);
  } catch (error) {
    throw asStoreError(error, to.path);
  } finally {
    db.close();
  }
}
