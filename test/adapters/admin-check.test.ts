import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { checkPage } from '../../shared/api/check.ts';
import { caliban, startOneMachine } from '../doubles/one-machine.ts';
import {
  aDataDir,
  aRealSweep,
  change,
  checked,
  copyOf,
  filesOf,
  groupCounts,
} from '../fixtures/checked-data-dir.ts';

const JOBS = 6;

interface Damage {
  readonly name: string;
  readonly kind: string;
  readonly found: string;
  /** Statements on the database. */
  readonly sql?: string;
  /** Changes to files. */
  readonly files?: (dataDir: string) => void;
  readonly layers?: true;
}

const JOB_3 = `WHERE "id" = (SELECT "id" FROM "jobs" WHERE "f_index" = 3)`;

const DAMAGES: readonly Damage[] = [
  {
    name: 'counts that are kept',
    kind: 'counts',
    found: 'kept: 77 SUCCEEDED',
    sql: `UPDATE "counts" SET "value" = json_set("value", '$.byState.SUCCEEDED', 77)`,
  },
  {
    name: 'a job that is gone',
    kind: 'expansion',
    found: '1 of its jobs do not exist',
    sql: `DELETE FROM "jobs" ${JOB_3}`,
  },
  {
    name: 'a job that is gone, in the counts',
    kind: 'counts',
    found: `kept: ${JOBS} SUCCEEDED`,
    sql: `DELETE FROM "jobs" ${JOB_3}`,
  },
  {
    name: 'a job that is gone, at its attempt',
    kind: 'attempt',
    found: 'its job does not exist',
    sql: `DELETE FROM "jobs" ${JOB_3}`,
  },
  {
    name: 'a chunk record that is gone',
    kind: 'expansion',
    found: 'expanded, with 0 chunk records',
    sql: 'DELETE FROM "chunks"',
  },
  {
    name: 'a submission that is open for nothing',
    kind: 'open',
    found: 'open, though nothing of it waits',
    sql: `UPDATE "submissions" SET "f_openLane" = 'this-machine',
      "value" = json_set("value", '$.openLane', 'this-machine')`,
  },
  {
    name: 'a submission that nobody carries on',
    kind: 'stuck',
    found: 'no message stop waits for it',
    sql: `UPDATE "submissions" SET "f_ending" = 'requested',
      "value" = json_set("value", '$.ending', 'requested', '$.endingState', 'STOPPED')`,
  },
  {
    name: 'a history that leads elsewhere',
    kind: 'history',
    found: 'its last move is to SUCCEEDED',
    sql: `UPDATE "jobs" SET "f_state" = 'FAILED', "value" = json_set("value", '$.state', 'FAILED') ${JOB_3}`,
  },
  {
    name: 'an end that was not observed',
    kind: 'attempt',
    found: 'it ended SUCCEEDED with exit code 0',
    sql: `UPDATE "jobs" SET "f_state" = 'FAILED', "value" = json_set("value", '$.state', 'FAILED') ${JOB_3}`,
  },
  {
    name: 'a running job without files',
    kind: 'attempt',
    found: 'its job is RUNNING, and there are no files of it',
    sql: `UPDATE "jobs" SET "f_state" = 'RUNNING', "f_active" = 1, "f_live" = 1,
      "value" = json_set("value", '$.state', 'RUNNING', '$.active', json('true'), '$.live', json('true')) ${JOB_3}`,
    files: (dataDir) => rmSync(join(dataDir, 'process', 'attempts'), { recursive: true }),
  },
  {
    name: 'files of an attempt of nobody',
    kind: 'attempt',
    found: 'its job does not exist',
    files: (dataDir) =>
      mkdirSync(join(dataDir, 'process', 'attempts', '7f', 'stranger-1.1'), { recursive: true }),
  },
  {
    name: 'a column that says something else than its document',
    kind: 'database',
    found: 'column f_state is QUEUED',
    sql: `UPDATE "jobs" SET "f_state" = 'QUEUED' ${JOB_3}`,
  },
  {
    name: 'a facet that is gone',
    kind: 'database',
    found: 'it cannot be found by flag:n=3',
    sql: `DELETE FROM "jobs_facets" WHERE "facet" = 'flag:n=3'`,
  },
  {
    name: 'a facet too many',
    kind: 'database',
    found: 'jobs have 7 facets, their documents 6',
    sql: `INSERT INTO "jobs_facets" SELECT 'flag:x=1', "id" FROM "jobs" LIMIT 1`,
  },
  {
    name: 'an index that is damaged',
    kind: 'database',
    found: 'ix_jobs_submissionId_live_index',
    files: (dataDir) => damageIndex(dataDir, 'ix_jobs_submissionId_live_index'),
  },
  {
    name: 'a parked message',
    kind: 'message',
    found: 'parked: Error: no',
    sql: `INSERT INTO "outbox" ("id", "changed_at", "f_notBefore", "f_parked", "value")
      VALUES ('row', 1, 5, 1, '{"schemaVersion":1,"message":{"kind":"drain","lane":"this-machine"},"notBefore":5,"attempts":10,"parked":true,"leasedBy":null,"lastError":"Error: no"}')`,
  },
  {
    name: 'a layer that is gone',
    kind: 'layer',
    found: 'is missing',
    files: (dataDir) => rmSync(theLayer(dataDir)),
  },
  {
    name: 'a layer with a flipped bit',
    kind: 'layer',
    found: 'Layer refused',
    layers: true,
    files: (dataDir) => {
      const path = theLayer(dataDir);
      const bytes = readFileSync(path);
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      writeFileSync(path, bytes);
    },
  },
];

describe('the records of a real sweep', () => {
  let source = '';
  let remove: () => void = () => undefined;

  beforeAll(async () => {
    ({ source, remove } = await aRealSweep({ script: 'echo "$*"', count: JOBS }));
  }, 120_000);

  afterAll(() => remove());

  test('differ in nothing', async (t) => {
    const { differences, looked } = await checked(t, copyOf(t, source), { layers: true });
    t.expect(differences).toEqual([]);
    t.expect(looked).toMatchObject({
      groups: 1,
      submissions: 1,
      chunks: 1,
      jobs: JOBS,
      attempts: JOBS,
      layers: 1,
    });
  });

  test.for(DAMAGES)('show $name', async ({ kind, found, sql, files, layers = false }, t) => {
    const dataDir = copyOf(t, source);
    if (sql !== undefined) change(dataDir, sql);
    files?.(dataDir);
    const { differences } = await checked(t, dataDir, { layers });
    const told = differences.filter((each) => each.kind === kind).map((each) => each.found);
    t.expect(told).toContainEqual(t.expect.stringContaining(found));
  });

  test('are told by the command: status 0 when sound, 1 when not, nothing changed', async (t) => {
    const dataDir = copyOf(t, source);
    const before = filesOf(dataDir);
    const sound = await caliban(['admin', 'check', '--data_dir', dataDir]);
    t.expect(sound.stdout).toContain(`${JOBS} jobs`);
    t.expect(sound).toMatchObject({
      status: 0,
      stdout: t.expect.stringMatching(/nothing differs\n$/),
    });
    t.expect(filesOf(dataDir)).toEqual(before);
    change(dataDir, `DELETE FROM "jobs" ${JOB_3}`);
    const damaged = await caliban(['admin', 'check', '--data_dir', dataDir, '--json']);
    t.expect(damaged.status).toBe(1);
    const printed = checkPage.omit({ next: true }).parse(JSON.parse(damaged.stdout));
    // How many of a kind depends on how long ago its jobs moved.
    const kinds = new Set(printed.differences.map(({ kind }) => kind));
    t.expect([...kinds].sort()).toEqual(['attempt', 'counts', 'database', 'expansion']);
  });

  const places = [0, 1 / 4, 1 / 2, 7 / 8];
  test.for(places)('with 16 KiB of noise at %d of the file are damaged', async (at, t) => {
    const dataDir = copyOf(t, source);
    const path = join(dataDir, 'service.db');
    const bytes = readFileSync(path);
    const noise = createHash('shake256', { outputLength: 16_384 }).update('noise').digest();
    noise.copy(bytes, Math.floor(bytes.length * at));
    writeFileSync(path, bytes);
    const { status, stdout } = await caliban(['admin', 'check', '--data_dir', dataDir, '--json']);
    t.expect(status).toBe(1);
    const { differences } = checkPage.omit({ next: true }).parse(JSON.parse(stdout));
    const damage = { kind: 'database', subject: `file ${path}` };
    t.expect(differences).toContainEqual(t.expect.objectContaining(damage));
  });

  test('in a file that is cut are told to be damaged', async (t) => {
    const dataDir = copyOf(t, source);
    const path = join(dataDir, 'service.db');
    truncateSync(path, readFileSync(path).length - 8192);
    const { status, stdout } = await caliban(['admin', 'check', '--data_dir', dataDir]);
    t.expect(stdout).toContain(`database: file ${path}\n`);
    t.expect(stdout).toContain('malformed');
    t.expect(stdout).toContain('restore it from a backup');
    t.expect(status).toBe(1);
  });

  test('are told by a running service too, what it repairs itself is not', async (t) => {
    const dataDir = copyOf(t, source);
    change(
      dataDir,
      `UPDATE "jobs" SET "value" = json_set("value", '$.finishedAt', json('null')) ${JOB_3};
       INSERT INTO "outbox" ("id", "changed_at", "f_notBefore", "f_parked", "value")
       VALUES ('row', 1, 5, 1, '{"schemaVersion":1,"message":{"kind":"drain","lane":"this-machine"},"notBefore":5,"attempts":10,"parked":true,"leasedBy":null,"lastError":"Error: no"}')`,
    );
    await startOneMachine(t.onTestFinished, dataDir);
    const { status, stdout } = await caliban(['admin', 'check', '--data_dir', dataDir]);
    t.expect(stdout).toContain('SUCCEEDED, and no end');
    t.expect(stdout).not.toContain('parked');
    t.expect(stdout).toMatch(/1 differs\n$/);
    t.expect(status).toBe(1);
  });
});

test('a check beside a sweep that runs tells nothing', async (t) => {
  const dataDir = aDataDir(t);
  const service = await startOneMachine(t.onTestFinished, dataDir);
  const count = 120;
  await service.submit({ script: ':', count });
  for (;;) {
    const { status, stdout } = await caliban(['admin', 'check', '--data_dir', dataDir]);
    t.expect(stdout).toMatch(/nothing differs\n$/);
    t.expect(status).toBe(0);
    if (((await service.states())['SUCCEEDED'] ?? 0) === count) return;
  }
}, 240_000);

test('a check of 12,000 jobs needs no more memory than one of a few', async (t) => {
  const dataDir = aDataDir(t);
  const service = await startOneMachine(t.onTestFinished, dataDir, { slots: 1 });
  const count = 12_000;
  await service.submit({ script: ':', count });
  await service.send('/v1/groups/sweep/stop', {});
  await t.expect
    .poll(() => groupCounts(service), { timeout: 120_000, interval: 500 })
    .toMatchObject({ SUBMITTED: 0, RUNNING: 0 });
  await service.stop();
  // All jobs at once do not fit into so small a heap.
  const node = ['--max-old-space-size=40'];
  const { status, stdout } = await caliban(['admin', 'check', '--data_dir', dataDir], { node });
  t.expect(stdout).toMatch(/nothing differs\n$/);
  t.expect(status).toBe(0);
}, 240_000);

/** Writes over the keys on an index's first page. */
function damageIndex(dataDir: string, name: string): void {
  const path = join(dataDir, 'service.db');
  const db = new DatabaseSync(path, { readOnly: true });
  const sql =
    'SELECT "rootpage", (SELECT page_size FROM pragma_page_size) AS "size" FROM sqlite_schema WHERE "name" = ?';
  const row = db.prepare(sql).get(name);
  db.close();
  const bytes = readFileSync(path);
  const end = Number(row?.['rootpage']) * Number(row?.['size']);
  bytes.fill('x', end - 40, end - 20);
  writeFileSync(path, bytes);
}

function theLayer(dataDir: string): string {
  const layers = join(dataDir, 'layers');
  const found = filesOf(layers).find((path) => /^..\/[0-9a-f]{64}$/.test(path));
  if (found === undefined) throw new Error('no layer');
  return join(layers, found);
}
