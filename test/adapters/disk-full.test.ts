import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, type TestContext, test } from 'vitest';
import { SUPERVISOR_SCRIPT } from '../../functions/adapters/local/process/supervisor.ts';
import { errorBody } from '../../shared/api/error.ts';
import { submissionView } from '../../shared/api/submissions.ts';
import { caliban, type OneMachine, startOneMachine } from '../doubles/one-machine.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { aSmallDisk, canMountDisks } from '../fixtures/small-disk.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const MIB = 1024 ** 2;
const PATIENCE = 180_000;

describe.runIf(canMountDisks())('a service whose disk fills up', () => {
  test('says at its start that there is little room, to who starts it and in its log', async (t) => {
    const { dataDir } = places(t, 24);
    await startOneMachine(t.onTestFinished, dataDir);
    const warning = new RegExp(`Only \\d+ MiB are free where ${dataDir} is; .* need 1\\.0 GiB`);
    t.expect(JSON.parse(readFileSync(join(dataDir, 'serve.json'), 'utf8')).note).toMatch(warning);
    const warned = () =>
      readFileSync(join(dataDir, 'logs', 'service.log'), 'utf8')
        .split('\n')
        .filter((line) => line.includes('"level":"warn"') && warning.test(line));
    await t.expect.poll(warned).toHaveLength(1);
  });

  test('refuses an upload in its middle, and takes the rest once there is room', async (t) => {
    const { disk, dataDir } = places(t, 24);
    const service = await startOneMachine(t.onTestFinished, dataDir);
    const layer = aLayer(aTar(aFile('usr/app/data.bin', randomBytes(6 * MIB))), 'identity');
    disk.fill(2 * MIB);
    await expectFull(t, await service.upload(layer), disk.path);
    disk.free();
    const { diffId, blobSize } = layer.declaration;
    const path = `/v1/layers/${diffId}/upload`;
    const asked = await put(service, path, { range: `bytes */${blobSize}` });
    const [, last] = /bytes=0-(\d+)/.exec(asked.headers.get('Range') ?? '') ?? [];
    const received = Number(last) + 1;
    t.expect(received).toBeGreaterThan(MIB);
    const body = layer.blob.subarray(received);
    const range = `bytes ${received}-${blobSize - 1}/${blobSize}`;
    t.expect((await put(service, path, { range, body })).status).toBe(200);
    t.expect((await service.send(`/v1/layers/${diffId}/complete`, {})).status).toBe(200);
    await expectSound(t, service);
  });

  test(
    'refuses submissions, keeps what it accepted, and takes the same again later',
    async (t) => {
      const { disk, dataDir, runs } = places(t, 24);
      const service = await startOneMachine(t.onTestFinished, dataDir);
      const script = `echo "$2" >> '${runs}'`;
      await service.submit({ script, count: 1, key: 'first' });
      await service.until(1, 'SUCCEEDED');
      disk.fill(MIB);
      const comment = `# ${'y'.repeat(300_000)}`;
      const big = (key: string) => {
        const config = `${comment}\n${JSON.stringify({ n: [key] })}`;
        return { script, count: 1, key, changes: { config } };
      };
      const accepted: string[] = [];
      const refused: string[] = [];
      for (let at = 0; refused.length < 3; at++) {
        const answer = await service.submit(big(`key-${at}`));
        if (answer.status === 202) accepted.push(`key-${at}`);
        else {
          await expectFull(t, answer, disk.path);
          refused.push(`key-${at}`);
        }
      }
      t.expect((await service.send('/v1/groups/sweep')).status).toBe(200);
      t.expect(Object.keys(await service.states()).length).toBeGreaterThan(0);
      disk.free();
      for (const key of [...accepted, ...refused]) {
        const answer = submissionView.parse(await (await service.submit(big(key))).json());
        t.expect(answer.jobs).toBe(1);
      }
      const count = 1 + accepted.length + refused.length;
      await service.until(count, 'SUCCEEDED');
      t.expect(linesOf(runs)).toHaveLength(count);
      await expectSound(t, service);
    },
    PATIENCE,
  );

  test(
    'waits with an expansion, for as long as it takes, and then goes on',
    async (t) => {
      const { disk, dataDir } = places(t, 32);
      const service = await startOneMachine(t.onTestFinished, dataDir, { slots: 1 });
      const count = 1_000;
      // Takes the submission, but not its jobs.
      disk.fill(600 * 1024);
      const answer = await service.submit({ script: 'sleep 60', count });
      t.expect(answer.status).toBe(202);
      await t.expect.poll(() => logged(dataDir, 'message put back')).toBeGreaterThan(0);
      // More tries than would park it, if they counted.
      await sleep(12_000);
      t.expect(await jobCount(service)).toBeLessThan(count);
      disk.free();
      await t.expect.poll(() => jobCount(service), { timeout: 60_000 }).toBe(count);
      await service.send('/v1/groups/sweep/stop', {});
      await service.until(count, 'STOPPED');
      await expectSound(t, service);
    },
    PATIENCE,
  );

  test(
    'runs each job once: those that end meanwhile with their own status, the others later',
    async (t) => {
      const { disk, dataDir, runs, root } = places(t, 24);
      const service = await startOneMachine(t.onTestFinished, dataDir);
      const go = join(root, 'go');
      const count = 12;
      const script = `echo "$2" >> '${runs}'; [ "$2" -gt 1 ] || until [ -e '${go}' ]; do sleep 0.1; done; exit "$2"`;
      await service.submit({ script, count });
      await service.until(2, 'RUNNING');
      disk.fill();
      writeFileSync(go, '');
      // Both programs have ended, and said so, although nothing can grow.
      await t.expect.poll(() => exitFiles(dataDir), { timeout: 30_000 }).toBe(2);
      await sleep(3_000);
      t.expect(service.process.exitCode).toBeNull();
      t.expect(await service.states()).toEqual({ RUNNING: 2, SUBMITTED: count - 2 });
      disk.free();
      await service.until(count, 'SUCCEEDED', 'FAILED');
      for (const { flags, exitCode, cause } of await service.jobs()) {
        t.expect(exitCode).toBe(Number(flags[1]));
        t.expect(['succeeded', 'exit-code']).toContain(cause.code);
      }
      t.expect(linesOf(runs).toSorted()).toEqual(numbers(count).map(String).toSorted());
      await expectSound(t, service);
    },
    PATIENCE,
  );

  test(
    'starts no program that has no room, and starts it later',
    async (t) => {
      const { disk, dataDir, runs } = places(t, 24);
      const service = await startOneMachine(t.onTestFinished, dataDir);
      const files = numbers(40).map((at) => aFile(`usr/app/${at}.bin`, randomBytes(100_000)));
      const layer = aLayer(aTar(...files));
      await service.upload(layer);
      // Room for records and for the first files of a copy of the code.
      disk.fill(MIB);
      const codeLayers = [layer.declaration.diffId];
      await service.submit({ script: `echo "$2" >> '${runs}'`, count: 3, changes: { codeLayers } });
      await t.expect
        .poll(() => logged(dataDir, 'the job waits for room'), { timeout: 30_000 })
        .toBeGreaterThan(1);
      t.expect(await service.states()).toEqual({ SUBMITTED: 3 });
      t.expect(existsSync(runs)).toBe(false);
      disk.free();
      await service.until(3, 'SUCCEEDED');
      t.expect(linesOf(runs)).toHaveLength(3);
      await expectSound(t, service);
    },
    PATIENCE,
  );

  test('that starts on a full one says so, and starts once there is room', async (t) => {
    const { disk, dataDir } = places(t, 8);
    disk.fill();
    const refused = await caliban(['serve', '--data_dir', dataDir]);
    t.expect(refused.status).toBe(6);
    t.expect(refused.stderr).toContain(`The disk of ${disk.path}`);
    t.expect(refused.stderr).toContain('is full (0.0 MiB of 8.0 MiB free)');
    t.expect(refused.stderr).toContain('Free some space');
    disk.free();
    const service = await startOneMachine(t.onTestFinished, dataDir);
    await service.stop();
    disk.fill();
    // What is there can be read all the same.
    const checked = await caliban(['admin', 'check', '--data_dir', dataDir]);
    t.expect(checked.stdout).toMatch(/nothing differs\n$/);
  });

  test('can be backed up to a disk with room; a full target is refused and left clean', async (t) => {
    const { disk, root } = places(t, 4);
    const dataDir = join(root, 'data');
    const service = await startOneMachine(t.onTestFinished, dataDir);
    await service.submit({ script: 'head -c 8000000 /dev/zero > out', count: 1 });
    await service.until(1, 'SUCCEEDED');
    const target = join(disk.path, 'backup');
    const refused = await caliban(['admin', 'backup', target, '--data_dir', dataDir]);
    t.expect(refused.status).toBe(6);
    t.expect(refused.stderr).toContain(`${disk.path} is full`);
    t.expect(readdirSync(disk.path)).toEqual([]);
  });
});

describe.runIf(canMountDisks())('a supervisor', () => {
  test('that has no room starts nothing, and leaves the right to start to the next', async (t) => {
    const { disk } = places(t, 1);
    const { script, attempt } = supervised(t, disk.path);
    // For none of its files, then for the first one.
    for (const pages of [0, 1]) {
      disk.free();
      disk.fill(pages * 4096);
      const { status } = await supervise(script, attempt, 'echo ran');
      t.expect(status).toBe(75);
      t.expect(readdirSync(attempt).filter((name) => name !== 'log')).toEqual([]);
    }
    disk.free();
    const { log } = await supervise(script, attempt, 'echo ran');
    t.expect(log).toBe('ran\n');
  });

  test('tells the exit status of a program that filled the disk', async (t) => {
    const { disk } = places(t, 1);
    const { script, attempt } = supervised(t, disk.path);
    const program = `while head -c 65536 /dev/zero >> '${disk.path}/waste'; do :; done 2> /dev/null; exit 3`;
    await supervise(script, attempt, program);
    t.expect(exitOf(attempt)).toEqual({ exitCode: 3 });
  });
});

test('a supervisor that cannot tell how its program ended waits until it can', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const { script, attempt } = supervised(t, path);
  // Something stands where the exit status has to be written.
  const exitFile = join(attempt, 'exit.json');
  const ended = supervise(script, attempt, `rm '${exitFile}'; mkdir '${exitFile}'; exit 3`);
  await t.expect.poll(() => isDirectory(exitFile)).toBe(true);
  await sleep(1_500);
  t.expect(isDirectory(exitFile)).toBe(true);
  rmdirSync(exitFile);
  await ended;
  t.expect(exitOf(attempt)).toEqual({ exitCode: 3 });
});

function places(t: Pick<TestContext, 'onTestFinished'>, mebibytes: number) {
  const disk = aSmallDisk(t, mebibytes);
  const { path, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  return { disk, root: path, dataDir: join(disk.path, 'data'), runs: join(path, 'runs') };
}

async function expectFull(t: TestContext, answer: Response, disk: string): Promise<void> {
  t.expect(answer.status).toBe(507);
  const { error } = errorBody.parse(await answer.json());
  t.expect(error.code).toBe('DISK_FULL');
  t.expect(error.message).toMatch(/full \(.* MiB of .* MiB free\)/);
  t.expect(error.message).toContain(disk);
  t.expect(error.hint).toContain('Free some space');
}

/** Nothing differs while the service runs, nor after it has ended. */
async function expectSound(t: TestContext, service: OneMachine): Promise<void> {
  const check = ['admin', 'check', '--layers', '--data_dir', service.dataDir];
  t.expect((await caliban(check)).stdout).toMatch(/nothing differs\n$/);
  t.expect(service.process.exitCode).toBeNull();
  await service.stop();
  t.expect((await caliban(check)).stdout).toMatch(/nothing differs\n$/);
}

function put(service: OneMachine, path: string, sent: { range: string; body?: Uint8Array }) {
  const { range, body } = sent;
  const bytes = body === undefined ? {} : { body: new Uint8Array(body) };
  return service.request(path, { method: 'PUT', headers: { 'Content-Range': range }, ...bytes });
}

async function jobCount(service: OneMachine): Promise<number> {
  return Object.values(await service.states()).reduce((sum, count) => sum + count, 0);
}

/** How often the service's log says something; the log grows only while there is room. */
function logged(dataDir: string, text: string): number {
  return readFileSync(join(dataDir, 'logs', 'service.log'), 'utf8').split(text).length - 1;
}

function exitFiles(dataDir: string): number {
  const attempts = join(dataDir, 'process', 'attempts');
  const files = readdirSync(attempts, { recursive: true, encoding: 'utf8' });
  const isSaid = (path: string) => readFileSync(join(attempts, path), 'utf8').trim() !== '';
  return files.filter((path) => path.endsWith('/exit.json') && isSaid(path)).length;
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').trim().split('\n');
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

function supervised(t: Pick<TestContext, 'onTestFinished'>, disk: string) {
  const { path, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const script = join(path, 'supervisor.sh');
  writeFileSync(script, SUPERVISOR_SCRIPT);
  const attempt = join(disk, 'attempt');
  mkdirSync(attempt);
  return { script, attempt };
}

async function supervise(script: string, attempt: string, program: string) {
  const words = [script, attempt, 'sh', '-c', program];
  const child = spawn('sh', words, { detached: true, stdio: 'ignore' });
  const [status] = await once(child, 'exit');
  const log = join(attempt, 'log');
  return { status, log: existsSync(log) ? readFileSync(log, 'utf8') : '' };
}

function exitOf(attempt: string): unknown {
  return JSON.parse(readFileSync(join(attempt, 'exit.json'), 'utf8'));
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
