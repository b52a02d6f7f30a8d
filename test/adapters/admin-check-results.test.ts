import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { attemptDirectory } from '../../functions/adapters/local/attempts/attempt-files.ts';
import { startOneMachine } from '../doubles/one-machine.ts';
import { aDataDir, aRealSweep, change, checked, copyOf } from '../fixtures/checked-data-dir.ts';

const JOBS = 6;

/** One thing that went wrong after a sweep had ended: nothing else tells of it. */
interface Damage {
  readonly name: string;
  readonly kind: string;
  readonly found: string;
  /** Statements on the database. */
  readonly sql?: string;
  /** Changes to the directory of the attempt of job 3. */
  readonly files?: (attempt: string) => void;
}

const JOB_3 = `WHERE "f_index" = 3`;
// A submission as an earlier caliban wrote it: no digest tells of the whole.
const WITHOUT_DIGESTS = `UPDATE "submissions" SET "value" = json_remove("value", '$.digest', '$.configDigest');`;

const remove = (name: string) => (attempt: string) => rmSync(join(attempt, name));
const write = (name: string, text: string) => (attempt: string) =>
  writeFileSync(join(attempt, name), text);
const setOf = (table: string, [path, value]: readonly [string, string], where = '') =>
  `UPDATE "${table}" SET "value" = json_set("value", '$.${path}', json('${value}')) ${where};`;

const FILES: readonly Damage[] = [
  {
    name: 'a directory that is gone',
    kind: 'attempt',
    found: 'its job is SUCCEEDED, and there are no files of it',
    files: (attempt) => rmSync(attempt, { recursive: true }),
  },
  {
    name: 'a file in the place of a directory',
    kind: 'attempt',
    found: 'there are no files of it',
    files: (attempt) => {
      rmSync(attempt, { recursive: true });
      writeFileSync(attempt, '');
    },
  },
  {
    name: 'an end that is gone, with what it came from',
    kind: 'attempt',
    found: 'its end.json is not there',
    files: (attempt) => {
      for (const name of ['end.json', 'exit.json']) rmSync(join(attempt, name));
    },
  },
  {
    name: 'an end of garbage',
    kind: 'attempt',
    found: 'its end.json cannot be read',
    files: write('end.json', '{"state":"SUCC'),
  },
  {
    name: 'an end that is empty',
    kind: 'attempt',
    found: 'its end.json cannot be read',
    files: write('end.json', ''),
  },
  {
    name: 'an end at another time',
    kind: 'attempt',
    found: 'it ended SUCCEEDED with exit code 0, at another time',
    files: (attempt) => {
      const path = join(attempt, 'end.json');
      const end = JSON.parse(readFileSync(path, 'utf8'));
      writeFileSync(path, JSON.stringify({ ...end, finishedAt: end.finishedAt + 1 }));
    },
  },
  {
    name: 'an exit status that is gone',
    kind: 'attempt',
    found: 'its exit.json is not there',
    files: remove('exit.json'),
  },
  {
    name: 'an exit status that is another',
    kind: 'attempt',
    found: 'exit.json: 7',
    files: write('exit.json', '{"exitCode":7}'),
  },
  {
    name: 'a log that is gone',
    kind: 'attempt',
    found: 'its log is not there',
    files: remove('log'),
  },
  {
    name: 'a start that is gone',
    kind: 'attempt',
    found: 'its started is not there',
    files: remove('started'),
  },
  {
    name: 'a spec of garbage',
    kind: 'attempt',
    found: 'its spec.json cannot be read',
    files: write('spec.json', 'garbage'),
  },
  {
    name: 'a spec that is gone',
    kind: 'attempt',
    found: 'its spec.json is not there',
    files: remove('spec.json'),
  },
  {
    name: 'a spec with other words',
    kind: 'attempt',
    found: 'spec.json: args ["--n","5"]',
    files: (attempt) => {
      const path = join(attempt, 'spec.json');
      writeFileSync(path, readFileSync(path, 'utf8').replace('["--n","3"]', '["--n","5"]'));
    },
  },
];

const RECORDS: readonly Damage[] = [
  {
    name: 'a job that names another attempt',
    kind: 'attempt',
    found: 'its job names attempt nowhere.1',
    sql: setOf('jobs', ['ref', '"nowhere.1"'], JOB_3),
  },
  {
    name: 'a job that names no attempt any more',
    kind: 'job',
    found: 'SUCCEEDED, and no name on its platform',
    sql: setOf('jobs', ['ref', 'null'], JOB_3),
  },
  {
    name: 'flags of a job',
    kind: 'job',
    found: 'flags ["--n","4"]',
    sql: setOf('jobs', ['flags', '["--n","4"]'], JOB_3),
  },
  {
    name: 'flags of a job, at what was run',
    kind: 'attempt',
    found: 'spec.json: args ["--n","3"]',
    sql: setOf('jobs', ['flags', '["--n","4"]'], JOB_3),
  },
  {
    name: 'flags of an experiment',
    kind: 'experiment',
    found: 'flags [["n","4"]]',
    sql: setOf('experiments', ['flags', '[["n","4"]]'], `WHERE "value" LIKE '%["n","3"]%'`),
  },
  {
    name: 'script arguments of an experiment',
    kind: 'experiment',
    found: 'scriptArgs ["--epochs","9"]',
    sql: setOf(
      'experiments',
      ['scriptArgs', '["--epochs","9"]'],
      `WHERE "value" LIKE '%["n","3"]%'`,
    ),
  },
  {
    name: 'the place of an experiment',
    kind: 'experiment',
    found: 'order 00000000000000-elsewhere',
    sql: setOf(
      'experiments',
      ['order', '"00000000000000-elsewhere"'],
      `WHERE "value" LIKE '%["n","3"]%'`,
    ),
  },
  {
    name: 'the text of a config',
    kind: 'submission',
    found: 'its config is another text',
    sql: `UPDATE "configs" SET "value" = replace("value", '[0,1,2,3,4,5]', '[0,1,2,7,4,5]')`,
  },
  {
    name: 'the text of a config without digest, at its jobs',
    kind: 'job',
    found: 'experimentId',
    sql: `${WITHOUT_DIGESTS} UPDATE "configs" SET "value" = replace("value", '[0,1,2,3,4,5]', '[0,1,2,7,4,5]')`,
  },
  {
    name: 'a config without digest that is longer',
    kind: 'submission',
    found: 'its config stands for 7 experiments',
    sql: `${WITHOUT_DIGESTS} UPDATE "configs" SET "value" = replace("value", '[0,1,2,3,4,5]', '[0,1,2,3,4,5,6]')`,
  },
  {
    name: 'a config without digest that is none',
    kind: 'submission',
    found: 'its config stands for no experiments',
    sql: `${WITHOUT_DIGESTS} UPDATE "configs" SET "value" = replace("value", '[0,1,2,3,4,5]', '[0,1,2')`,
  },
  ...(
    [
      ['scriptArgs', '["altered"]'],
      ['labels', '{"team":"altered"}'],
      ['codeLayers', `["${'d'.repeat(64)}"]`],
      ['name', '"altered"'],
      ['command', '["altered"]'],
      ['principal', '"altered"'],
      ['bodyHash', '"altered"'],
      ['environment.path', '"altered"'],
      ['configDigest', '"altered"'],
    ] as const
  ).map(
    (altered): Damage => ({
      name: `${altered[0]} of a submission`,
      kind: 'submission',
      found: 'its record has digest',
      sql: setOf('submissions', altered),
    }),
  ),
  {
    name: 'script arguments of a submission without digest, at its jobs',
    kind: 'job',
    found: 'experimentId',
    sql: WITHOUT_DIGESTS + setOf('submissions', ['scriptArgs', '["altered"]']),
  },
  {
    name: 'labels of a submission without digest, at its jobs',
    kind: 'job',
    found: 'facets',
    sql: WITHOUT_DIGESTS + setOf('submissions', ['labels', '{"team":"altered"}']),
  },
  {
    name: 'layers of a submission without digest',
    kind: 'submission',
    found: 'it runs layers',
    sql: WITHOUT_DIGESTS + setOf('submissions', ['codeLayers', `["${'d'.repeat(64)}"]`]),
  },
  {
    name: 'dependencies of a submission without digest',
    kind: 'submission',
    found: 'environment ',
    sql: WITHOUT_DIGESTS + setOf('submissions', ['dependencies.base', '"altered"']),
  },
];

describe('what ended and was damaged later', () => {
  let source = '';
  let end: () => void = () => undefined;

  beforeAll(async () => {
    const made = await aRealSweep({ script: 'echo "$*"', count: JOBS });
    ({ source, remove: end } = made);
  }, 120_000);

  afterAll(() => end());

  test.for([...FILES, ...RECORDS])('shows $name', async ({ kind, found, sql, files }, t) => {
    const dataDir = copyOf(t, source);
    t.expect(theConfig(dataDir)).toContain('[0,1,2,3,4,5]');
    if (sql !== undefined) change(dataDir, sql);
    files?.(attemptDirectory(join(dataDir, 'process'), `${jobThree(dataDir)}.1`));
    const { differences } = await checked(t, dataDir, { layers: false });
    const told = differences.filter((each) => each.kind === kind).map((each) => each.found);
    t.expect(told).toContainEqual(t.expect.stringContaining(found));
  });

  test('shows nothing where an earlier caliban wrote no digest', async (t) => {
    const dataDir = copyOf(t, source);
    change(dataDir, WITHOUT_DIGESTS);
    t.expect((await checked(t, dataDir, { layers: false })).differences).toEqual([]);
  });

  test('shows nothing of outputs that were removed by hand', async (t) => {
    const dataDir = copyOf(t, source);
    const attempt = attemptDirectory(join(dataDir, 'process'), `${jobThree(dataDir)}.1`);
    rmSync(join(attempt, 'work'), { recursive: true });
    t.expect((await checked(t, dataDir, { layers: false })).differences).toEqual([]);
  });

  test('shows nothing of a job that its platform lost, as it says itself', async (t) => {
    const dataDir = copyOf(t, source);
    const at = 9_999_999_999_999;
    const cause = { code: 'lost', message: 'Lost by the platform: not seen for 7 days.' };
    const moves = [
      ['SUBMITTED', 'UNKNOWN'],
      ['UNKNOWN', 'FAILED'],
    ].map(([from, to]) => ({ at, from, to, cause }));
    change(
      dataDir,
      `UPDATE "jobs" SET "f_state" = 'FAILED', "value" = json_set("value", '$.state', 'FAILED', '$.exitCode', null,
        '$.history', json_array(json_extract("value", '$.history[0]'), json_extract("value", '$.history[1]'),
        json_extract("value", '$.history[2]'), json('${JSON.stringify(moves[0])}'), json('${JSON.stringify(moves[1])}'))) ${JOB_3}`,
    );
    rmSync(attemptDirectory(join(dataDir, 'process'), `${jobThree(dataDir)}.1`), {
      recursive: true,
    });
    const { differences } = await checked(t, dataDir, { layers: false });
    t.expect(differences.filter(({ kind }) => kind === 'attempt' || kind === 'job')).toEqual([]);
  });

  test('shows files of containers like those of processes', async (t) => {
    const dataDir = copyOf(t, source);
    change(
      dataDir,
      `UPDATE "jobs" SET "f_platform" = 'docker'; ${setOf('jobs', ['platform', '"docker"'])}`,
    );
    mkdirSync(join(dataDir, 'docker'));
    renameSync(join(dataDir, 'process', 'attempts'), join(dataDir, 'docker', 'attempts'));
    const attempt = attemptDirectory(join(dataDir, 'docker'), `${jobThree(dataDir)}.1`);
    // The supervisor's.
    for (const name of ['exit.json', 'started']) rmSync(join(attempt, name));
    const told = async () =>
      (await checked(t, dataDir, { layers: false })).differences
        .filter(({ kind }) => kind === 'attempt')
        .map(({ found }) => found);
    t.expect(await told()).toEqual([]);
    rmSync(join(attempt, 'log'));
    writeFileSync(join(attempt, 'end.json'), '');
    t.expect(await told()).toEqual(['its end.json cannot be read', 'its log is not there']);
    rmSync(attempt, { recursive: true });
    t.expect(await told()).toEqual(['its job is SUCCEEDED, and there are no files of it']);
  });
});

test('however jobs end, what they leave is sound', async (t) => {
  const dataDir = aDataDir(t);
  const service = await startOneMachine(t.onTestFinished, dataDir, { slots: 3 });
  const ends = ['exit 0', 'exit 3', 'kill -9 $$', 'kill -9 0', 'rm -rf ../work'];
  const script = ends.map((line, n) => `[ "$2" != ${n} ] || { ${line}; }`).join('; ');
  await service.submit({ script: `${script}; exit 0`, count: ends.length });
  const missing = { command: ['/there/is/no/such/program'], group: 'missing' };
  await service.submit({ script: '', count: 1, key: 'missing', changes: missing });
  await service.until(ends.length + 1, 'SUCCEEDED', 'FAILED');
  // Three run, two wait for their slots.
  await service.submit({ script: 'sleep 600', count: 5, key: 'stopped' });
  await service.until(3, 'RUNNING');
  t.expect((await service.send('/v1/groups/sweep/stop', { dryRun: false })).status).toBe(200);
  await service.until(5, 'STOPPED');
  const codes = (await service.jobs()).map(({ cause }) => cause.code);
  t.expect(new Set(codes).size).toBeGreaterThan(3);
  await service.stop();
  const { differences, looked } = await checked(t, dataDir, { layers: true });
  t.expect(differences).toEqual([]);
  t.expect(looked['jobs']).toBe(ends.length + 6);
}, 180_000);

function jobThree(dataDir: string): string {
  return oneValue(dataDir, `SELECT "id" AS "value" FROM "jobs" ${JOB_3}`);
}

function theConfig(dataDir: string): string {
  return oneValue(dataDir, `SELECT "value" FROM "configs"`);
}

function oneValue(dataDir: string, sql: string): string {
  const db = new DatabaseSync(join(dataDir, 'service.db'), { readOnly: true });
  const row = db.prepare(sql).get();
  db.close();
  return String(row?.['value']);
}
