import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { describe, test } from 'vitest';
import type { FileLimits } from '../../functions/adapters/local/docker/containers/copy-files.ts';
import type { PlatformJob } from '../../functions/ports/platform.ts';
import { eventually, terminal, wholeLog } from '../contract/platform.ts';
import { type EngineProxy, openEngineProxy } from '../doubles/engine-proxy.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import {
  type Cleanup,
  dockerDirectory,
  filesOf,
  openIn,
  scriptJob,
  testEngine,
  waiter,
} from '../fixtures/docker-platform.ts';
import { hasPart, TEST_BASE_IMAGE } from '../fixtures/require.ts';

const HOST = fileURLToPath(new URL('../fixtures/container-host.ts', import.meta.url));
const IN_WORK = 'mkdir -p /usr/app; cd /usr/app';

const ALL_KINDS = `${IN_WORK}
mkdir -p a/b/c empty __pycache__
printf deep > a/b/c/deep.txt
printf naïve > 'größe →.txt'
printf '#!/bin/sh\n' > run.sh; chmod 755 run.sh
ln -s b/c/deep.txt a/inside; ln -s /usr/app/a/b a/absolute
ln -s /etc/passwd out; ln -s ../../../../etc/passwd a/b/up
ln a/b/c/deep.txt a/hard
mkfifo pipe
printf x > __pycache__/m.cpython-311.pyc; printf y > __pycache__/notes.txt
long=$(printf 'n%.0s' $(seq 200)); printf long > "a/$long"
printf elsewhere > /tmp/elsewhere; printf config > /usr/local/config`;

describe.runIf(hasPart('docker'))('what a job in a container writes', () => {
  test('is kept below its working directory: files, directories, and links that stay inside', async ({
    expect,
    onTestFinished,
  }) => {
    const { work, log } = await ran(`${ALL_KINDS}\n`, onTestFinished);
    const long = 'n'.repeat(200);
    expect(tree(work)).toEqual({
      'a/b/c/deep.txt': 'deep',
      'a/hard': 'deep',
      'a/inside': '→ b/c/deep.txt',
      'a/absolute': '→ b',
      [`a/${long}`]: 'long',
      empty: '/',
      'größe →.txt': 'naïve',
      'run.sh': '#!/bin/sh\n',
      '__pycache__/notes.txt': 'y',
    });
    expect(statSync(join(work, 'run.sh')).mode & 0o111).toBe(0o111);
    expect(statSync(join(work, 'a/hard')).mode & 0o111).toBe(0);
    expect(existsSync(`${work}.tmp`)).toBe(false);
    expect(log).toBe('');
  });

  test('is kept where it changes files of the image; what did not change is not', async ({
    expect,
    onTestFinished,
  }) => {
    const image = await imageOf(
      `${IN_WORK}; mkdir -p data pkg; echo old > data/one; echo old > data/two; echo code > pkg/m.py; echo gone > gone`,
      onTestFinished,
    );
    const script = `cd /usr/app; echo changed > data/one; rm gone; chmod 700 pkg; mkdir pkg/__pycache__
echo x > pkg/__pycache__/m.cpython-311.pyc; touch -d 2001-01-01 data`;
    const few = await ran(script, onTestFinished, { image });
    expect(tree(few.work)).toEqual({ 'data/one': 'changed\n' });
    const many = await ran(`${script}\nfor i in $(seq 60); do echo > $i; done`, onTestFinished, {
      image,
    });
    expect(readdirSync(many.work)).toHaveLength(61);
    expect(readdirSync(join(many.work, 'data'))).toEqual(['one']);
  });

  test('is kept when it is much, with few requests', { timeout: 120_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const asked: string[] = [];
    const script = `${IN_WORK}; for i in $(seq 2000); do echo $i > f$i; done
head -c 52428800 /dev/urandom > large; sha256sum < large`;
    const { work, log } = await ran(script, onTestFinished, { asked });
    const found = readdirSync(work);
    expect(found).toHaveLength(2001);
    for (const i of [1, 77, 2000]) expect(readFileSync(join(work, `f${i}`), 'utf8')).toBe(`${i}\n`);
    expect(`${sha256(readFileSync(join(work, 'large')))}  -\n`).toBe(log);
    expect(asked.filter((request) => request.includes('/archive'))).toHaveLength(1);
  });

  test('costs one request when it is nothing', async ({ expect, onTestFinished }) => {
    const asked: string[] = [];
    const { work } = await ran('echo x > /tmp/x', onTestFinished, { asked });
    expect(existsSync(work)).toBe(false);
    expect(asked.filter((request) => request.includes('/changes'))).toHaveLength(1);
    expect(asked.filter((request) => request.includes('/archive'))).toEqual([]);
  });

  test('is kept of a job that is stopped', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    const script = `${IN_WORK}; echo result > result; echo begin; exec sleep 1000`;
    const { ref } = await platform.submit(await scriptJob('stopped', script));
    await eventually(waiter, async () =>
      (await platform.readLog(ref, '', 100)).text === 'begin\n' ? true : undefined,
    );
    await platform.cancel(ref);
    const end = await terminal({ ...waiter, platform }, 'stopped');
    expect(end).toMatchObject({ state: 'STOPPED', exitCode: 143 });
    expect(tree(join(filesOf(dir, ref), 'work'))).toEqual({ result: 'result\n' });
  });

  test('is there once, by a service that is killed while it copies', { timeout: 60_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const proxy = await openEngineProxy(dir);
    onTestFinished(() => proxy.close());
    const script = `${IN_WORK}; echo one > one; mkdir two; echo two > two/two; echo done`;
    const host = spawn(process.execPath, [HOST, dir, '1', '1', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, DOCKER_HOST: proxy.host },
    });
    const gone = once(host, 'exit');
    let archives = 0;
    proxy.after = async (request) => {
      if (!request.includes('/archive')) return;
      archives += 1;
      if (archives === 2) await kill(host);
    };
    await gone;
    const work = join(filesOf(dir, 'kill0.1'), 'work');
    expect([existsSync(work), existsSync(`${work}.tmp`)]).toEqual([false, true]);
    const platform = await openIn(dir, onTestFinished);
    const end = await terminal({ ...waiter, platform }, 'kill0');
    expect(end).toMatchObject({ state: 'SUCCEEDED', exitCode: 0 });
    expect(tree(work)).toEqual({ one: 'one\n', 'two/two': 'two\n' });
    expect(existsSync(`${work}.tmp`)).toBe(false);
    expect(await wholeLog({ platform }, end.ref, 100)).toBe('done\n');
  });

  test.for([
    ['1 KiB', { bytes: 1024, count: 100 }, ['a']],
    ['2 files', { bytes: 10_000, count: 2 }, ['a', 'b']],
  ] as const)(
    'is kept up to a limit of %s, and the log says so',
    async ([most, maxFiles, kept], { expect, onTestFinished }) => {
      const script = `${IN_WORK}; echo begin; echo a > a; head -c 2000 /dev/zero > b; echo c > c; exit 3`;
      const { work, log, end } = await ran(script, onTestFinished, { maxFiles });
      expect(readdirSync(work)).toEqual(kept);
      const line = `[caliban: not all files of the job were kept: they are more than ${most}]`;
      expect(log).toBe(`begin\n${line}\n`);
      expect(end).toMatchObject({ state: 'FAILED', exitCode: 3, cause: { code: 'exit-code' } });
    },
  );

  test('is named in the log when the engine does not give it; the job ends as it ended', async ({
    expect,
    onTestFinished,
  }) => {
    const { work, log, end } = await ran(`${IN_WORK}; echo x > x; exit 4`, onTestFinished, {
      refuse: (request) =>
        request.includes('/archive') ? { status: 404, message: 'No such container' } : null,
    });
    expect(log).toBe('[caliban: the files of the job were not kept: No such container]\n');
    expect(end).toMatchObject({ state: 'FAILED', exitCode: 4 });
    expect([existsSync(work), existsSync(`${work}.tmp`)]).toEqual([false, false]);
  });

  test('is kept by the next try when the engine refuses once', async ({
    expect,
    onTestFinished,
  }) => {
    let refusals = 0;
    const { work, log } = await ran(`${IN_WORK}; echo x > x`, onTestFinished, {
      refuse: (request) => {
        if (!request.includes('/changes') || refusals > 0) return null;
        refusals += 1;
        return { status: 500, message: 'device busy' };
      },
    });
    expect(refusals).toBe(1);
    expect(tree(work)).toEqual({ x: 'x\n' });
    expect(log).toBe('');
  });
});

interface Circumstances {
  readonly maxFiles?: FileLimits;
  readonly image?: string;
  /** Gets each request to the engine. */
  readonly asked?: string[];
  readonly refuse?: EngineProxy['instead'];
}

/** What is left of a job that ran this script. */
async function ran(script: string, onTestFinished: Cleanup, given: Circumstances = {}) {
  const dir = await dockerDirectory(onTestFinished);
  const proxy = await openEngineProxy(dir);
  onTestFinished(() => proxy.close());
  proxy.before = async (request) => void given.asked?.push(request);
  proxy.instead = given.refuse ?? proxy.instead;
  const platform = await openIn(dir, onTestFinished, {
    connect: async () => new Docker({ socketPath: proxy.socketPath }),
    log: SILENT_LOG,
    ...(given.maxFiles === undefined ? {} : { maxFiles: given.maxFiles }),
  });
  const { ref } = await platform.submit(await jobIn(script, given.image));
  const end = await terminal({ ...waiter, platform }, 'job');
  const log = await wholeLog({ platform }, ref, 10_000);
  return { end, log, work: join(filesOf(dir, ref), 'work') };
}

async function jobIn(script: string, image: string | undefined): Promise<PlatformJob> {
  const job = await scriptJob('job', script);
  return image === undefined ? job : { ...job, run: { kind: 'image', digest: image } };
}

/** An image in which this script has run. */
async function imageOf(script: string, onTestFinished: Cleanup): Promise<string> {
  const engine = await testEngine;
  const Cmd = ['/bin/sh', '-c', script];
  const container = await engine.createContainer({ Image: TEST_BASE_IMAGE, Cmd });
  await container.start();
  await container.wait();
  const { Id } = await container.commit();
  await container.remove();
  onTestFinished(async () => {
    await engine.getImage(Id).remove({ force: true });
  });
  return (await engine.getImage(Id).inspect()).Id;
}

/** Files with their content, links with their targets, and directories that are empty. */
function tree(root: string, below = ''): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(join(root, below))) {
    const path = join(below, name);
    const info = lstatSync(join(root, path));
    if (info.isSymbolicLink()) found[path] = `→ ${readlinkSync(join(root, path))}`;
    else if (info.isFile()) found[path] = readFileSync(join(root, path), 'utf8');
    else if (readdirSync(join(root, path)).length === 0) found[path] = '/';
    else Object.assign(found, tree(root, path));
  }
  return found;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
