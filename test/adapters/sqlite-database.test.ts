import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, type TestContext, test } from 'vitest';
import { countSql, endSql, listSql } from '../../functions/adapters/local/sqlite/sqlite-queries.ts';
import {
  openSqliteStore,
  type SqliteStore,
} from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { QUERIES, type QueryName, type QuerySpec } from '../../functions/ports/queries.ts';
import { type Key, put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import { createTestClock } from '../contract/test-clock.ts';
import { temporaryDirectory } from './temporary-directory.ts';

type Context = Pick<TestContext, 'onTestFinished'>;

const clock = createTestClock();
const JOB: Key<'jobs'> = { collection: 'jobs', id: 'j1' };

function aPath({ onTestFinished }: Context): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return join(path, 'data', 'service.db');
}

async function opened(t: Context, path: string, readOnly = false): Promise<SqliteStore> {
  const store = await openSqliteStore({ path, clock, readOnly });
  t.onTestFinished(() => store.close());
  return store;
}

/** A database with one job, closed. */
async function aDatabase(t: Context): Promise<string> {
  const path = aPath(t);
  const store = await openSqliteStore({ path, clock });
  await store.commit([put(JOB, aDocument('jobs', { lane: 'blue', facets: ['flag:lr=0.1'] }))]);
  store.close();
  return path;
}

/** Changes a database behind the store's back. */
function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

// What a caliban with another catalogue would have left: no such index, column or side table.
const EARLIER_CATALOGUE = `
  DROP INDEX "ix_jobs_lane_active_order";
  DROP INDEX "ix_jobs_lane_state_notBefore";
  DROP INDEX "ix_jobs_lane_state_claimUntil";
  ALTER TABLE "jobs" DROP COLUMN "f_lane";
  DROP TABLE "jobs_facets";
  DROP TABLE "lanes";
  CREATE INDEX "ix_jobs_gone" ON "jobs" ("f_owner");
  UPDATE "meta" SET "shape" = 'earlier';`;

describe('the database of an earlier catalogue', () => {
  test('gets its columns, indexes and facets when it is opened', async (t) => {
    const path = await aDatabase(t);
    change(path, EARLIER_CATALOGUE);
    const store = await opened(t, path);
    const [job] = (
      await store.list('activeJobsOfLane', { lane: 'blue', active: false }, { limit: 9 })
    ).items;
    t.expect(job?.key).toEqual(JOB);
    const params = { groupId: 'g1', facet: 'flag:lr=0.1' };
    t.expect(await store.count('jobsOfGroup', params)).toBe(1);
    await store.commit([{ op: 'delete', key: JOB }]);
    t.expect(await store.count('jobsOfGroup', params)).toBe(0);
    t.expect(await store.count('lanes', {})).toBe(0);
  });

  test('keeps the versions of its documents', async (t) => {
    const path = await aDatabase(t);
    const before = await (await opened(t, path)).get([JOB]);
    change(path, `UPDATE "meta" SET "shape" = 'earlier'`);
    t.expect(await (await opened(t, path)).get([JOB])).toEqual(before);
  });

  test('is not upgraded by who only reads', async (t) => {
    const path = await aDatabase(t);
    change(path, EARLIER_CATALOGUE);
    const refused = { code: 'DATA_DIR_UNUSABLE', hint: t.expect.stringContaining('caliban serve') };
    await t.expect(opened(t, path, true)).rejects.toMatchObject(refused);
  });

  test('many rows are carried over', async (t) => {
    const path = await aDatabase(t);
    const store = await openSqliteStore({ path, clock });
    for (let batch = 0; batch < 3; batch++) {
      const jobs = Array.from({ length: 500 }, (_, i) => `k${batch}-${i}`);
      await store.commit(
        jobs.map((id) => put({ collection: 'jobs', id }, aDocument('jobs', { lane: 'blue' }))),
      );
    }
    store.close();
    change(path, EARLIER_CATALOGUE);
    const params = { lane: 'blue', active: false };
    t.expect(await (await opened(t, path)).count('activeJobsOfLane', params)).toBe(1501);
  });
});

describe('a database that another version changed while it was open', () => {
  test('is not written, nor read with indexes it no longer has', async (t) => {
    const path = await aDatabase(t);
    const store = await opened(t, path);
    change(path, EARLIER_CATALOGUE);
    const refused = { code: 'SCHEMA_TOO_NEW', message: t.expect.stringContaining(path) };
    await t.expect(store.commit([put(JOB, aDocument('jobs'))])).rejects.toMatchObject(refused);
    const list = store.list('jobsOfLaneByState', { lane: 'blue', state: 'QUEUED' }, { limit: 1 });
    await t.expect(list).rejects.toMatchObject(refused);
    t.expect((await store.get([JOB]))[0]?.value.lane).toBe('blue');
  });
});

describe('a file that cannot be the database', () => {
  test('of a newer caliban is refused', async (t) => {
    const path = await aDatabase(t);
    change(path, 'PRAGMA user_version = 2');
    const refused = { code: 'SCHEMA_TOO_NEW', message: t.expect.stringContaining('version 2') };
    await t.expect(opened(t, path)).rejects.toMatchObject(refused);
    await t.expect(opened(t, path, true)).rejects.toMatchObject(refused);
  });

  test('of another program is left alone', async (t) => {
    const path = await aDatabase(t);
    const other = join(path, '..', 'other.db');
    change(other, 'CREATE TABLE "notes" ("text" TEXT)');
    const refused = {
      code: 'DATA_DIR_UNUSABLE',
      message: t.expect.stringContaining('another program'),
    };
    await t.expect(opened(t, other)).rejects.toMatchObject(refused);
  });

  test('no database at all is refused, with what to do', async (t) => {
    const path = await aDatabase(t);
    writeFileSync(path, 'not a database, but long enough to be one '.repeat(40));
    const refused = { code: 'DATA_DIR_UNUSABLE', hint: t.expect.stringContaining('--data_dir') };
    await t.expect(opened(t, path)).rejects.toMatchObject(refused);
    await t.expect(opened(t, join(path, 'service.db'))).rejects.toMatchObject(refused);
  });

  test('on a network filesystem is refused before anything is made', async (t) => {
    const path = aPath(t);
    const mountinfo = '30 22 0:40 / / rw - nfs4 nas:/home rw';
    const refused = {
      code: 'DATA_DIR_UNUSABLE',
      message: t.expect.stringContaining('network filesystem'),
      hint: t.expect.stringContaining('--data_dir'),
    };
    await t.expect(openSqliteStore({ path, clock, mountinfo })).rejects.toMatchObject(refused);
  });

  test('an empty one becomes the database, but not for who only reads', async (t) => {
    const path = await aDatabase(t);
    const empty = join(path, '..', 'empty.db');
    writeFileSync(empty, '');
    await t.expect(opened(t, empty, true)).rejects.toMatchObject({ code: 'NO_SERVICE' });
    t.expect(await (await opened(t, empty)).get([JOB])).toEqual([undefined]);
  });
});

describe('counting in stretches', () => {
  test.for([1, 2, 3, 6, 7, 100])('of %i rows finds as many', async (countRows, t) => {
    const path = aPath(t);
    const store = await openSqliteStore({ path, clock, countRows });
    t.onTestFinished(() => store.close());
    // Several have the same place in the order.
    await store.commit(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id, i) =>
        put(
          { collection: 'jobs', id },
          aDocument('jobs', {
            order: String(i >> 1),
            state: i === 6 ? 'RUNNING' : 'QUEUED',
            facets: i % 2 === 0 ? ['flag:lr=1'] : [],
            notBefore: i >> 2,
          }),
        ),
      ),
    );
    const group = { groupId: 'g1' };
    t.expect(await store.count('jobsOfGroup', group)).toBe(7);
    t.expect(await store.count('recentJobs', {})).toBe(7);
    t.expect(await store.count('jobsOfGroupByState', { ...group, state: 'QUEUED' })).toBe(6);
    t.expect(await store.count('jobsOfGroup', { ...group, facet: 'flag:lr=1' })).toBe(4);
    t.expect(await store.count('jobsOfGroup', { groupId: 'none' })).toBe(0);
    const due = { submissionId: 's1', state: 'QUEUED', atMost: 0 };
    t.expect(await store.count('jobsOfSubmissionByState', due)).toBe(4);
  });
});

describe('the statement of each query', () => {
  test.for(Object.keys(QUERIES) as QueryName[])(
    '%s walks its index and sorts nothing',
    async (query, t) => {
      const path = await aDatabase(t);
      const db = new DatabaseSync(path, { readOnly: true });
      t.onTestFinished(() => db.close());
      const spec: QuerySpec = QUERIES[query];
      const plan = ({ sql, values }: ReturnType<typeof listSql>) =>
        db
          .prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .all(...values)
          .map(({ detail }) => String(detail))
          .join('\n');
      const required = Object.fromEntries(spec.equals.map((field) => [field, 'x']));
      const optional = Object.fromEntries((spec.optional ?? []).map((field) => [field, 'x']));
      const all = { ...required, ...optional, atMost: 1, facet: 'label:a=b' };
      const after = { value: 1, id: 'a' };
      for (const params of [required, all]) {
        for (const page of [{ limit: 5 }, { limit: 5, after }]) {
          const list = plan(listSql(query, params, page));
          t.expect(list).not.toContain('TEMP B-TREE');
          t.expect(list).toMatch(spec.equals.length > 0 ? /^SEARCH d USING INDEX/ : /USING INDEX/);
        }
        const stretch = { after, rows: 9 };
        const counts = [countSql(query, params), countSql(query, params, stretch)];
        const plans = [...counts, endSql(query, params, stretch)].map(plan);
        t.expect(plans.join('\n')).not.toContain('TEMP B-TREE');
      }
      t.expect(plan(countSql(query, required))).toContain('COVERING INDEX');
      t.expect(plan(countSql(query, required, { rows: 9 }))).toContain('COVERING INDEX');
    },
  );
});
