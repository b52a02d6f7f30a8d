import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'vitest';
import {
  openSqliteStore,
  type SqliteStore,
} from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import type { Clock } from '../../functions/ports/runtime.ts';
import { type Key, put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import { createTestClock } from '../contract/test-clock.ts';
import { runChild, runChildOnSmallDisk, startChild } from './child-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { withoutWriting } from './without-writing.ts';

const clock = createTestClock();
const four = <T>(body: () => Promise<T>) => Promise.all([1, 2, 3, 4].map(body));

function aDirectory({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return path;
}

async function opened(
  t: Pick<TestContext, 'onTestFinished'>,
  options: { readonly path: string; readonly readOnly?: boolean },
): Promise<SqliteStore> {
  const store = await openSqliteStore({ ...options, clock });
  t.onTestFinished(() => store.close());
  return store;
}

describe('several processes on one database', () => {
  test('lose no update, each makes its turn, also while it is being made', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    await four(() => runChild('increment', path, '300'));
    const store = await opened(t, { path });
    const [lane] = await store.get([{ collection: 'lanes', id: 'counter' }]);
    t.expect(lane?.value.epoch).toBe(1200);
  });

  test('a process that has nothing else to do waits for its commits, also while the log is copied', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    t.expect(await runChild('fill', path, '50')).toBe('5000');
  });

  test('claim each message once', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    const store = await opened(t, { path });
    const ids = Array.from({ length: 400 }, (_, i) => `m${i}`);
    await store.commit(
      ids.map((id, i) => put({ collection: 'outbox', id }, aDocument('outbox', { notBefore: i }))),
    );
    const outputs = await four(() => runChild('claim', path));
    const claimed = outputs.flatMap((output): string[] => JSON.parse(output).claimed);
    t.expect(claimed.toSorted()).toEqual(ids.toSorted());
    t.expect(await store.count('parkedMessages', { parked: false })).toBe(0);
  });

  test('a commit loop that is killed leaves whole commits, and all it said were durable', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    let least = 0;
    for (let round = 0; round < 5; round++) {
      const child = startChild('commit-forever', path);
      for (let i = 0; i < 3 + round; i++) least = Number(await child.line());
      least = Math.max(least, ...(await child.kill()).map(Number));
      const store = await openSqliteStore({ path, clock, readOnly: round % 2 === 0 });
      const { items } = await store.list('recentJobs', {}, { limit: 500 });
      store.close();
      t.expect(items).toHaveLength(50);
      t.expect(new Set(items.map(({ value }) => value.index)).size).toBe(1);
      t.expect(new Set(items.map(({ changedAt }) => changedAt)).size).toBe(1);
      t.expect(items[0]?.value.index).toBeGreaterThanOrEqual(least);
      least = 0;
    }
  });

  test('of commits that share an fsync a kill leaves whole ones too, and all they said were durable', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    for (let round = 0; round < 3; round++) {
      const child = startChild('commit-together', path);
      const said: string[] = [];
      for (let i = 0; i < 30 + 17 * round; i++) said.push(await child.line());
      said.push(...(await child.kill()));
      const store = await openSqliteStore({ path, clock });
      for (const who of ['a', 'b', 'c', 'd', 'e', 'f']) {
        const { items } = await store.list('jobsOfGroup', { groupId: who }, { limit: 500 });
        const durable = said.filter((line) => line.startsWith(who)).map((line) => line.slice(2));
        t.expect(items).toHaveLength(10);
        t.expect(new Set(items.map(({ value }) => value.index)).size).toBe(1);
        t.expect(new Set(items.map(({ changedAt }) => changedAt)).size).toBe(1);
        t.expect(items[0]?.value.index).toBeGreaterThanOrEqual(Math.max(0, ...durable.map(Number)));
      }
      store.close();
      change(path, 'DELETE FROM "jobs"; DELETE FROM "jobs_facets"');
    }
  });

  test('a full disk ends a commit with a clear error and leaves whole ones', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    const { stdout, stderr } = await runChildOnSmallDisk(500, 'commit-forever', path);
    t.expect(stderr).toContain('DATA_DIR_UNUSABLE');
    t.expect(stderr).toContain('--data_dir');
    const done = stdout.trim().split('\n').map(Number);
    const store = await opened(t, { path });
    const { items } = await store.list('recentJobs', {}, { limit: 500 });
    t.expect(new Set(items.map(({ value }) => value.index))).toEqual(new Set([Math.max(...done)]));
    await store.commit([put({ collection: 'jobs', id: 'j0' }, aDocument('jobs'))]);
  });

  test('a commit waits for the turn of another connection, and gives up in the end', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    const store = await opened(t, { path });
    const other = new DatabaseSync(path);
    t.onTestFinished(() => other.close());
    other.exec('BEGIN IMMEDIATE');
    const write = put({ collection: 'jobs', id: 'j1' }, aDocument('jobs'));
    const busy = { code: 'STORE_BUSY', message: t.expect.stringContaining('10 s') };
    await t.expect(store.commit([write])).rejects.toMatchObject(busy);
    t.expect(await store.count('recentJobs', {})).toBe(0);
    const waiting = store.commit([write]);
    other.exec('ROLLBACK');
    await waiting;
    t.expect(await store.count('recentJobs', {})).toBe(1);
  });
});

describe('while another process keeps the write lock', () => {
  const write = () => put({ collection: 'jobs', id: 'j1' }, aDocument('jobs'));
  const busy = { code: 'STORE_BUSY' };

  test('many commits ask as often as one, and give up together', async (t) => {
    const { store, pauses } = await lockedStore(t);
    const commits = await Promise.allSettled(
      Array.from({ length: 20 }, () => store.commit([write()])),
    );
    for (const commit of commits)
      t.expect(commit).toMatchObject({ status: 'rejected', reason: busy });
    // One waits 10 s in pauses of at least 26 ms.
    t.expect(pauses()).toBeLessThan(10_000 / 26 + 1);
  });

  test('those that stand behind another have their turn after it', async (t) => {
    const { store, release } = await lockedStore(t);
    const commits = ['j1', 'j2', 'j3'].map((id) =>
      store.commit([put({ collection: 'jobs', id }, aDocument('jobs'), 'absent')]),
    );
    release();
    await Promise.all(commits);
    t.expect(await store.count('recentJobs', {})).toBe(3);
  });

  test('a commit that is given up at once waits for nobody, and reads go on', async (t) => {
    const { store, pauses, release } = await lockedStore(t);
    await t.expect(store.commit([write()], 'now-or-never')).rejects.toMatchObject(busy);
    t.expect(pauses()).toBe(0);
    const waiting = store.commit([write()]);
    await t.expect(store.commit([write()], 'now-or-never')).rejects.toMatchObject(busy);
    t.expect(await store.count('recentJobs', {})).toBe(0);
    release();
    await waiting;
    await store.commit([write()], 'now-or-never');
    t.expect(await store.count('recentJobs', {})).toBe(1);
  });
});

/** Changes a database behind the store's back. */
function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

async function lockedStore(t: Pick<TestContext, 'onTestFinished'>) {
  const path = join(aDirectory(t), 'service.db');
  let pauses = 0;
  const counting: Clock = {
    now: () => clock.now(),
    sleep: (ms, signal) => {
      pauses += 1;
      return clock.sleep(ms, signal);
    },
  };
  const store = await openSqliteStore({ path, clock: counting });
  t.onTestFinished(() => store.close());
  const other = new DatabaseSync(path);
  t.onTestFinished(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  return { store, pauses: () => pauses, release: () => other.exec('ROLLBACK') };
}

describe('a store opened to read', () => {
  const key: Key<'jobs'> = { collection: 'jobs', id: 'j1' };

  test('sees what a running writer commits, and cannot write', async (t) => {
    const path = join(aDirectory(t), 'service.db');
    const writer = await opened(t, { path });
    const reader = await opened(t, { path, readOnly: true });
    t.expect(await reader.get([key])).toEqual([undefined]);
    await writer.commit([put(key, aDocument('jobs'))]);
    t.expect((await reader.get([key]))[0]?.value).toEqual(aDocument('jobs'));
    const refused = { code: 'DATA_DIR_UNUSABLE', hint: t.expect.stringContaining('--data_dir') };
    await t.expect(reader.commit([put(key, aDocument('jobs'))])).rejects.toMatchObject(refused);
  });

  test('reads what a closed writer left, in one file', async (t) => {
    const directory = aDirectory(t);
    const path = join(directory, 'service.db');
    const writer = await openSqliteStore({ path, clock });
    await writer.commit([put(key, aDocument('jobs'))]);
    writer.close();
    writer.close();
    t.expect(readdirSync(directory)).toEqual(['service.db']);
    const reader = await opened(t, { path, readOnly: true });
    t.expect(await reader.count('recentJobs', {})).toBe(1);
  });

  test('needs no right to write, where no log is left', async (t) => {
    const directory = aDirectory(t);
    const path = join(directory, 'service.db');
    const writer = await openSqliteStore({ path, clock });
    await writer.commit([put(key, aDocument('jobs'))]);
    writer.close();
    withoutWriting(t, directory);
    const reader = await opened(t, { path, readOnly: true });
    t.expect(await reader.count('recentJobs', {})).toBe(1);
    t.expect(readdirSync(directory)).toEqual(['service.db']);
    const refused = { code: 'DATA_DIR_UNUSABLE', hint: t.expect.stringContaining('--data_dir') };
    await t.expect(openSqliteStore({ path, clock })).rejects.toMatchObject(refused);
  });

  test('makes no database', async (t) => {
    const directory = aDirectory(t);
    const path = join(directory, 'none', 'service.db');
    const refused = { code: 'NO_SERVICE', message: t.expect.stringContaining(path) };
    await t.expect(openSqliteStore({ path, clock, readOnly: true })).rejects.toMatchObject(refused);
    t.expect(existsSync(join(directory, 'none'))).toBe(false);
  });
});
