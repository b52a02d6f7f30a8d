import { copyFileSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, type TestContext, test } from 'vitest';
import { MIGRATIONS } from '../../functions/adapters/local/sqlite/sqlite-migrations.ts';
import {
  openSqliteStore,
  type SqliteStore,
} from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { createTestClock } from '../contract/test-clock.ts';
import { runChild, startChild } from './child-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { withoutWriting } from './without-writing.ts';

const STORED = fileURLToPath(new URL('../fixtures/data-dirs/v1/service.db', import.meta.url));
const JOBS = 9;
const clock = createTestClock();

// What later versions might bring: a table, and a change of every job that must not be made twice.
const NEXT = [
  ...MIGRATIONS,
  `CREATE TABLE "notes" ("text" TEXT NOT NULL) STRICT;
   UPDATE "jobs" SET "value" = json_set("value", '$.owner', json_extract("value", '$.owner') || '+')`,
];
const AFTER_NEXT = [...NEXT, `INSERT INTO "notes" VALUES ('once')`];
// Fails in its third statement.
const BROKEN = [
  ...NEXT,
  `DELETE FROM "jobs"; DROP TABLE "notes"; INSERT INTO "nowhere" VALUES (1)`,
];
// Goes on until somebody ends it.
const ENDLESS = [
  ...MIGRATIONS,
  `CREATE TABLE "notes" ("text" TEXT NOT NULL) STRICT; DELETE FROM "jobs";
   INSERT INTO "notes" WITH RECURSIVE "n"("i") AS (SELECT 1 UNION ALL SELECT "i" + 1 FROM "n")
     SELECT hex(randomblob(2000)) FROM "n"`,
];

describe('a stored database of version 1', () => {
  test('is brought to a later version, its documents and what follows from them', async (t) => {
    const path = stored(t);
    const store = await opened(t, { path, migrations: AFTER_NEXT });
    const jobs = await store.list('recentJobs', {}, { limit: 100 });
    t.expect(jobs.items).toHaveLength(JOBS);
    const owners = new Set(jobs.items.map(({ value }) => value.owner));
    t.expect([...owners][0]).toMatch(/[^+]\+$/);
    const [owner = ''] = owners;
    t.expect(await store.count('recentJobs', { owner })).toBe(JOBS);
    t.expect(versionAndNotes(path)).toEqual({ version: 3, notes: 1 });
  });

  test('goes from each version to the newest', async (t) => {
    const path = stored(t);
    (await opened(t, { path, migrations: NEXT })).close();
    t.expect(versionAndNotes(path)).toEqual({ version: 2, notes: 0 });
    (await opened(t, { path, migrations: AFTER_NEXT })).close();
    t.expect(versionAndNotes(path)).toEqual({ version: 3, notes: 1 });
  });

  test('keeps what it has when a migration fails in its middle', async (t) => {
    const path = stored(t);
    await t.expect(opened(t, { path, migrations: BROKEN })).rejects.toThrow('no such table');
    t.expect(versionAndNotes(path)).toEqual({ version: 1, notes: null });
    const store = await opened(t, { path });
    t.expect(await store.count('recentJobs', {})).toBe(JOBS);
  });

  test('keeps what it has when the process is killed in the middle', async (t) => {
    const path = stored(t);
    const child = startChild('open', path, JSON.stringify(ENDLESS));
    // What does not fit into memory any more goes to the log: then it is in the middle.
    await t.expect.poll(() => sizeOf(`${path}-wal`), { timeout: 20_000 }).toBeGreaterThan(40e6);
    await child.kill();
    t.expect(versionAndNotes(path)).toEqual({ version: 1, notes: null });
    const store = await opened(t, { path, migrations: AFTER_NEXT });
    t.expect(await store.count('recentJobs', {})).toBe(JOBS);
    t.expect(versionAndNotes(path)).toEqual({ version: 3, notes: 1 });
  });

  test('is migrated once by several processes that start at once', async (t) => {
    const path = stored(t);
    const migrations = JSON.stringify(AFTER_NEXT);
    const outputs = await Promise.all([1, 2, 3, 4].map(() => runChild('open', path, migrations)));
    t.expect(outputs).toEqual(['opened\n', 'opened\n', 'opened\n', 'opened\n']);
    t.expect(versionAndNotes(path)).toEqual({ version: 3, notes: 1 });
    const store = await opened(t, { path, migrations: AFTER_NEXT });
    const { items } = await store.list('recentJobs', {}, { limit: 1 });
    t.expect(items[0]?.value.owner).toMatch(/[^+]\+$/);
  });

  test('is refused by the earlier version from then on, to read and to write', async (t) => {
    const path = stored(t);
    (await opened(t, { path, migrations: AFTER_NEXT })).close();
    for (const readOnly of [false, true]) {
      await t.expect(opened(t, { path, readOnly })).rejects.toMatchObject({
        code: 'SCHEMA_TOO_NEW',
        message: `${path} has version 3; this caliban knows ${MIGRATIONS.length}`,
        hint: 'Use the caliban that made it, or a newer one.',
      });
    }
    t.expect(versionAndNotes(path)).toEqual({ version: 3, notes: 1 });
  });

  test('is not written by a process that opened it before', async (t) => {
    const path = stored(t);
    const before = await opened(t, { path });
    const [job] = (await before.list('recentJobs', {}, { limit: 1 })).items;
    if (job === undefined) throw new Error('no job');
    (await opened(t, { path, migrations: AFTER_NEXT })).close();
    const commit = before.commit([{ op: 'delete', key: job.key }]);
    await t.expect(commit).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
  });

  test('in a directory that may not be written is refused, and stays as it is', async (t) => {
    const path = stored(t);
    withoutWriting(t, join(path, '..'));
    const reading = opened(t, { path, migrations: AFTER_NEXT, readOnly: true });
    await t.expect(reading).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: `${path} was last used by another version of caliban`,
      hint: t.expect.stringContaining('caliban serve'),
    });
    const writing = opened(t, { path, migrations: AFTER_NEXT });
    await t.expect(writing).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      hint: t.expect.stringContaining('--data_dir'),
    });
    t.expect(versionAndNotes(path)).toEqual({ version: 1, notes: null });
  });
});

function stored({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  copyFileSync(STORED, join(path, 'service.db'));
  return join(path, 'service.db');
}

async function opened(
  t: Pick<TestContext, 'onTestFinished'>,
  options: {
    readonly path: string;
    readonly readOnly?: boolean;
    readonly migrations?: readonly string[];
  },
): Promise<SqliteStore> {
  const store = await openSqliteStore({ ...options, clock });
  t.onTestFinished(() => store.close());
  return store;
}

/** The version, and how many notes there are; null: no such table. */
function versionAndNotes(path: string) {
  const url = new URL(`file://${path}${existsSync(`${path}-wal`) ? '' : '?immutable=1'}`);
  const db = new DatabaseSync(url, { readOnly: true });
  try {
    const has = db.prepare(`SELECT 1 FROM sqlite_schema WHERE "name" = 'notes'`).get();
    const notes =
      has === undefined ? null : db.prepare('SELECT count(*) AS "n" FROM "notes"').get();
    const version = db.prepare('PRAGMA user_version').get()?.['user_version'];
    return { version, notes: notes?.['n'] ?? null };
  } finally {
    db.close();
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
