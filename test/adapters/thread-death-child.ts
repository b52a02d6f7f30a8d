import { existsSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { type Key, put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import { systemClock } from '../fixtures/system-clock.ts';

// A process of its own whose commit thread meets a fault: `thread-death-child.ts FILE FAULT`, with fixtures/commit-thread-fault.ts
// required first. Prints what came of it.

const [path = '', fault = ''] = process.argv.slice(2);
const marker = process.env['COMMIT_THREAD_FAULT'] ?? '';
const keys: readonly Key<'jobs'>[] = ['a', 'b', 'c'].map((id) => ({ collection: 'jobs', id }));
const store = await openSqliteStore({ path, clock: systemClock });
const commit = (key: Key<'jobs'>) => store.commit([put(key, aDocument('jobs'), 'absent')]);

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return 'code' in error ? String(error.code) : error.name;
  }
}

/** Two commits that share a transaction, and one that came while it was written. */
async function dieOnce() {
  writeFileSync(marker, fault);
  const together = keys.slice(0, 2).map((key) => outcomeOf(commit(key)));
  const told = await Promise.all(together);
  const found = (await store.get(keys)).map((job) => job !== undefined);
  const again = await Promise.all(keys.map((key) => outcomeOf(commit(key))));
  store.close();
  return { told, found, again };
}

async function closeMeanwhile() {
  writeFileSync(marker, fault);
  const told = outcomeOf(commit({ collection: 'jobs', id: 'a' }));
  while (existsSync(marker)) await sleep(5);
  store.close();
  const db = new DatabaseSync(path, { readOnly: true });
  const found = db.prepare('SELECT count(*) AS "n" FROM "jobs"').get()?.['n'];
  db.close();
  return { found, told: await told };
}

process.stdout.write(JSON.stringify(fault === 'slow' ? await closeMeanwhile() : await dieOnce()));
