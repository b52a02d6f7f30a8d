import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import {
  attemptDirectory,
  hasEnded,
} from '../../functions/adapters/local/attempts/attempt-files.ts';
import { openSqliteStore } from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import { backupDataDir } from '../../functions/embedded/backup.ts';
import type { JobDoc } from '../../functions/ports/documents.ts';
import { jobDetail } from '../../shared/api/jobs.ts';
import { caliban, type OneMachine, type Ran, startOneMachine } from '../doubles/one-machine.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { hasPart } from '../fixtures/require.ts';
import { systemClock } from '../fixtures/system-clock.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

describe('a backup that is made while a sweep runs', () => {
  test('is sound, and a service of it ends what was left without running anything twice', async (t) => {
    const { root, dataDir, target } = places(t);
    const runs = join(root, 'runs');
    const go = join(root, 'go');
    const count = 40;
    const service = await startOneMachine(t.onTestFinished, dataDir);
    // However long the backup takes: two run and most wait while it is made.
    const waits = `[ "$2" -lt 8 ] || until [ -e '${go}' ]; do sleep 0.1; done`;
    await service.submit({
      script: `echo "$PWD $2" >> '${runs}'; ${waits}; echo "n is $2"`,
      count,
    });
    await t.expect
      .poll(async () => (await service.states())['SUCCEEDED'] ?? 0, {
        timeout: 60_000,
      })
      .toBeGreaterThan(5);
    const made = await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
    t.expect(made).toMatchObject({ status: 0, stdout: t.expect.stringContaining(`${count} jobs`) });
    t.expect(made.stderr).toContain(`caliban admin check --data_dir ${target}`);
    writeFileSync(go, '');
    await service.until(count, 'SUCCEEDED');
    await service.stop();

    t.expect(await checkOf(target)).toMatchObject({
      status: 0,
      stdout: t.expect.stringMatching(/nothing differs\n$/),
    });
    const jobs = await jobsIn(t, target);
    const numbers = (...states: readonly string[]) =>
      jobs.filter(({ state }) => states.includes(state)).map(({ flags }) => Number(flags[1]));
    t.expect(numbers('SUCCEEDED').length).toBeGreaterThan(5);
    t.expect(numbers('QUEUED').length).toBeGreaterThan(5);

    const copy = await startOneMachine(t.onTestFinished, target);
    await copy.until(count, 'SUCCEEDED', 'FAILED');
    const ranInCopy = readFileSync(runs, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(target))
      .map((line) => Number(line.split(' ')[1]));
    // Each that waited once; of the rest none: it had ended, or was on the machine.
    t.expect(new Set(ranInCopy).size).toBe(ranInCopy.length);
    t.expect(numbers('QUEUED')).toEqual(t.expect.arrayContaining(ranInCopy));
    for (const { id, flags, state, cause } of await copy.jobs()) {
      const n = Number(flags[1]);
      if (state === 'FAILED') {
        t.expect(cause.code).toBe('lost');
        t.expect(numbers('SUBMITTED', 'RUNNING')).toContain(n);
      } else t.expect(await logOf(copy, id)).toBe(`n is ${n}\n`);
    }
    t.expect(await checkOf(target)).toMatchObject({ status: 0 });
  }, 180_000);

  test('while jobs start and end all the time, is served to the end of every job; what had ended does not run again', async (t) => {
    const { root, dataDir, target } = places(t);
    const runs = join(root, 'runs');
    const count = 250;
    const service = await startOneMachine(t.onTestFinished, dataDir);
    const script = `echo "$PWD $2" >> '${runs}'; echo "n is $2"`;
    await service.submit({ script, count });
    await t.expect
      .poll(async () => (await service.states())['SUCCEEDED'] ?? 0, { timeout: 60_000 })
      .toBeGreaterThan(5);
    await backupDataDir({ dataDir, target, signal: new AbortController().signal });
    await service.stop();
    t.expect(await checkOf(target)).toMatchObject({ status: 0 });
    const before = await jobsIn(t, target);
    const hadEnded: JobDoc[] = [];
    for (const job of before) {
      // Whatever its job says: the service may not have seen the end of the program yet.
      const attempt = attemptDirectory(join(target, 'process'), `${job.id}.1`);
      if (!job.live || (await hasEnded(attempt))) hadEnded.push(job);
    }
    t.expect(hadEnded.length).toBeGreaterThan(5);
    t.expect(hadEnded.length).toBeLessThan(count);

    const copy = await startOneMachine(t.onTestFinished, target);
    await copy.until(count, 'SUCCEEDED', 'FAILED');
    const ranInCopy = readFileSync(runs, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(target))
      .map((line) => line.split(' ')[1]);
    const waited = before.filter((job) => !hadEnded.includes(job)).map(({ flags }) => flags[1]);
    t.expect(ranInCopy.toSorted()).toEqual(waited.toSorted());
    for (const { id, flags, state } of await copy.jobs()) {
      if (state === 'SUCCEEDED') t.expect(await logOf(copy, id)).toBe(`n is ${flags[1]}\n`);
    }
    t.expect(await checkOf(target)).toMatchObject({ status: 0 });
  }, 240_000);

  test('tells what ran then as lost, and leaves the programs of the original alone', async (t) => {
    const { root, dataDir, target } = places(t);
    const service = await startOneMachine(t.onTestFinished, dataDir);
    const go = join(root, 'go');
    const script = `until [ -e '${go}' ]; do sleep 0.1; done; echo survived`;
    await service.submit({ script, count: 2 });
    await service.until(2, 'RUNNING');
    await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
    const copy = await startOneMachine(t.onTestFinished, target);
    await copy.until(2, 'FAILED');
    for (const { id } of await copy.jobs()) {
      const job = jobDetail.parse(await (await copy.send(`/v1/jobs/${id}`)).json());
      t.expect(job.cause).toEqual({
        code: 'lost',
        message: t.expect.stringContaining('was running when this backup was made'),
      });
      t.expect(job.history.at(-2)?.to).toBe('RUNNING');
      t.expect(job.exitCode).toBeNull();
    }
    await copy.stop();
    t.expect(await service.states()).toEqual({ RUNNING: 2 });
    writeFileSync(go, '');
    await service.until(2, 'SUCCEEDED');
  }, 180_000);

  test('holds what the records name, private to its owner, and no caches', async (t) => {
    const { dataDir, target } = places(t);
    const service = await startOneMachine(t.onTestFinished, dataDir);
    await service.submit({ script: 'echo out > kept; ln -s kept link; mkfifo pipe', count: 1 });
    await service.until(1, 'SUCCEEDED');
    // What it did not change of its copy of the code goes a moment after its end.
    await t.expect
      .poll(() => inWork(dataDir), { timeout: 20_000 })
      .toEqual(['kept', 'link', 'pipe']);
    await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
    const kept = ['builds', 'layers', 'process', 'service.db', 'token'];
    t.expect(readdirSync(target).sort()).toEqual(kept);
    t.expect(readdirSync(join(target, 'process')).sort()).toEqual(['attempts', 'live']);
    for (const name of ['token', 'service.db']) {
      t.expect(statSync(join(target, name)).mode & 0o777).toBe(0o600);
    }
    t.expect(statSync(target).mode & 0o777).toBe(0o700);
    t.expect(readFileSync(join(target, 'token'))).toEqual(readFileSync(join(dataDir, 'token')));
    t.expect(inWork(target)).toEqual(['kept', 'link']);
  });
});

describe.runIf(hasPart('python'))('jobs that wait for their turn in a virtualenv', () => {
  test('get a new one in the copy', async (t) => {
    const { root, dataDir, target } = places(t);
    const service = await startOneMachine(t.onTestFinished, dataDir, { slots: 1 });
    const requirements = aLayer(aTar(aFile('requirements.txt', '# nothing to install\n')));
    t.expect((await service.upload(requirements)).status).toBe(200);
    const go = join(root, 'go');
    const answer = await service.submit({
      script: `[ "$2" != 0 ] || until [ -e '${go}' ]; do sleep 0.1; done; python -c 'import sys; print(sys.prefix)'`,
      count: 3,
      changes: {
        dependencies: {
          base: null,
          apt: [],
          python: null,
          extras: [],
          layer: requirements.declaration.diffId,
          requirements: 'requirements.txt',
        },
      },
    });
    t.expect(answer.status).toBe(202);
    await service.until(1, 'RUNNING');
    await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
    writeFileSync(go, '');
    await service.until(3, 'SUCCEEDED');
    await service.stop();
    t.expect(readdirSync(join(target, 'builds'))).toEqual([t.expect.stringMatching(/\.log$/)]);
    t.expect(await checkOf(target)).toMatchObject({ status: 0 });

    const copy = await startOneMachine(t.onTestFinished, target);
    await copy.until(2, 'SUCCEEDED');
    await copy.until(1, 'FAILED');
    for (const { id, state } of await copy.jobs()) {
      if (state === 'SUCCEEDED') t.expect(await logOf(copy, id)).toMatch(join(target, 'builds'));
    }
    t.expect(await checkOf(target)).toMatchObject({ status: 0 });
  }, 180_000);
});

describe('a target', () => {
  test.for([
    ['that is not empty', 'mine'],
    ['that holds a backup', 'layers'],
  ])('%s is refused and stays as it is', async ([, name = ''], t) => {
    const { dataDir, target } = await withRecords(t);
    mkdirSync(join(target, name), { recursive: true });
    const before: readonly string[] = readdirSync(target);
    const refused = await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
    t.expect(refused.status).toBe(2);
    t.expect(refused.stderr).toContain(`${target} is there already`);
    t.expect(readdirSync(target)).toEqual(before);
  });

  test('that is a file, or inside the directory, is refused', async (t) => {
    const { root, dataDir } = await withRecords(t);
    writeFileSync(join(root, 'file'), 'mine');
    symlinkSync(dataDir, join(root, 'link'));
    for (const target of [
      join(root, 'file'),
      join(dataDir, 'backup'),
      join(dataDir, '..backup'),
      join(dataDir, '...'),
      dataDir,
      join(root, 'link', 'x'),
    ]) {
      const refused = await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
      t.expect(refused, target).toMatchObject({ status: 2, stdout: '' });
    }
    t.expect(readFileSync(join(root, 'file'), 'utf8')).toBe('mine');
    t.expect(readdirSync(root).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test.for([
    ['/proc/caliban-backup', 'the system makes nothing there'],
    ['/proc/caliban/backup', 'the system makes nothing there'],
    ['afile/x', 'a part of its path is a file'],
    ['afile/x/y', 'a part of its path is a file'],
    ['n'.repeat(300), 'its name is too long'],
  ] as const)('that cannot be made is refused with the reason: %s', async ([name, reason], t) => {
    const { root, dataDir } = await withRecords(t);
    writeFileSync(join(root, 'afile'), '');
    const target = resolve(root, name);
    const { status, stderr } = await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
    t.expect(stderr).toContain(`${target} cannot be made: ${reason}.`);
    t.expect(status).toBe(2);
    t.expect(readdirSync(root).sort()).toEqual(['afile', 'data']);
  });

  test('that is an empty directory is taken, with its parents', async (t) => {
    const { root, dataDir, target } = await withRecords(t);
    mkdirSync(target);
    for (const directory of [target, join(root, 'new', 'er')]) {
      const made = await caliban(['admin', 'backup', directory, '--json', '--data_dir', dataDir]);
      t.expect(JSON.parse(made.stdout)).toMatchObject({ dataDir, target: directory, jobs: 0 });
      t.expect(existsSync(join(directory, 'service.db'))).toBe(true);
    }
  });

  test('gets no name when there is nothing to copy', async (t) => {
    const { root, target } = places(t);
    const refused = await caliban(['admin', 'backup', target, '--data_dir', join(root, 'none')]);
    t.expect(refused.status).toBe(6);
    t.expect(refused.stderr).toContain('there is no database');
    t.expect(readdirSync(root)).toEqual([]);
  });
});

describe('a backup that is broken off', () => {
  test('by its user leaves nothing', async (t) => {
    const { root, dataDir, target } = await withRecords(t);
    const interrupt = new AbortController();
    const backup = backupDataDir({ dataDir, target, signal: interrupt.signal });
    interrupt.abort(new Error('Ctrl-C'));
    await t.expect(backup).rejects.toThrow('Ctrl-C');
    t.expect(readdirSync(root)).toEqual(['data']);
  });

  test('by SIGKILL is never mistaken for a whole one', async (t) => {
    const { root, dataDir, target } = await withRecords(t, 3_000);
    const args = [MAIN, 'admin', 'backup', target, '--data_dir', dataDir];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const isDraft = (name: string) => name.startsWith('backup.partial-');
    while (!readdirSync(root).some(isDraft) && child.exitCode === null) await sleep(1);
    child.kill('SIGKILL');
    await ended;
    // Had it been faster, it is whole.
    if (existsSync(target)) t.expect(await checkOf(target)).toMatchObject({ status: 0 });
    else t.expect(readdirSync(root).some(isDraft)).toBe(true);
    const again = await caliban(['admin', 'backup', `${target}-2`, '--data_dir', dataDir]);
    t.expect(again.status).toBe(0);
    t.expect(await checkOf(`${target}-2`)).toMatchObject({ status: 0 });
  });
});

/** What jobs have below their working directories, over all jobs. */
function inWork(dataDir: string): string[] {
  const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' });
  return files.flatMap((path) => path.split('/work/')[1] ?? []).sort();
}

function places({ onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return { root: path, dataDir: join(path, 'data'), target: join(path, 'backup') };
}

/** A directory with a database; with so many groups in it. */
async function withRecords(t: Pick<TestContext, 'onTestFinished'>, groups = 0) {
  const all = places(t);
  const path = join(all.dataDir, 'service.db');
  const store = await openSqliteStore({ path, clock: systemClock });
  for (let from = 0; from < groups; from += 500) {
    await store.commit(
      Array.from({ length: 500 }, (_, at) => ({
        op: 'put' as const,
        key: { collection: 'syncs' as const, id: `lane-${from + at}` },
        value: { schemaVersion: 1, id: 'x'.repeat(2_000), syncedAt: 0 },
      })),
    );
  }
  store.close();
  return all;
}

function checkOf(dataDir: string): Promise<Ran> {
  return caliban(['admin', 'check', '--layers', '--data_dir', dataDir]);
}

async function jobsIn(
  t: Pick<TestContext, 'onTestFinished'>,
  dataDir: string,
): Promise<readonly JobDoc[]> {
  const path = join(dataDir, 'service.db');
  const store = await openSqliteStore({ path, clock: systemClock, readOnly: true });
  t.onTestFinished(() => store.close());
  const page = await store.list('recentJobs', {}, { limit: 500 });
  store.close();
  return page.items.map(({ value }) => value);
}

async function logOf(service: OneMachine, jobId: string): Promise<string> {
  return z.string().parse(await (await service.send(`/v1/jobs/${jobId}/logs`)).text());
}
