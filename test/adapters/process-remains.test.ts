import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { orAbsent } from '../../functions/adapters/local/durable-file.ts';
import type { Platform } from '../../functions/ports/platform.ts';
import { aJob, eventually, terminal } from '../contract/platform.ts';
import {
  openTestPlatform,
  type ProcessPlatform,
  shellProgram,
  temporaryDirectory,
} from '../fixtures/process-platform.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const waiter = { clock: systemClock, program: shellProgram, pass: () => sleep(10) };
const MEGABYTE = 1_000_000;
const DAY_MS = 24 * 3_600_000;

describe('the copy of the code of an ended attempt', () => {
  test('20 attempts of 1 MB leave less than 100 KB each', { timeout: 60_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    for (let i = 0; i < 20; i++) await submit(platform, `small${i}`, 'cat main.py > seen.txt');
    for (let i = 0; i < 20; i++) {
      expect(await terminal({ ...waiter, platform }, `small${i}`)).toMatchObject({ exitCode: 0 });
      expect(await remains({ dir, platform }, `small${i}`)).toEqual(['seen.txt']);
    }
    expect(await bytesBelow(join(dir, 'attempts'))).toBeLessThan(20 * 100_000);
  });

  test('what the program made or changed stays', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const script = [
      'mkdir -p out pkg/__pycache__ notes/__pycache__',
      'echo result > out/result.txt',
      'echo more >> main.py',
      'cp -p pkg/a.py pkg/b.py', // same size and time as the copy, other content
      'cp -p pkg/a.py pkg/c.py',
      'touch pkg/__pycache__/a.cpython-312.pyc pkg/__pycache__/a.cpython-312.pyc.123',
      'touch notes/__pycache__/x.pyc notes/__pycache__/mine.txt',
      'ln -sf elsewhere link',
    ];
    await submit(platform, 'changes', script.join(' && '));
    expect(await terminal({ ...waiter, platform }, 'changes')).toMatchObject({ exitCode: 0 });
    expect(await remains({ dir, platform }, 'changes')).toEqual([
      'link',
      'main.py',
      'notes',
      'notes/__pycache__',
      'notes/__pycache__/mine.txt',
      'notes/__pycache__/x.pyc',
      'out',
      'out/result.txt',
      'pkg',
      'pkg/b.py',
      'pkg/c.py',
    ]);
    const work = workOf(dir, await bucketOf(dir, 'changes'), 'changes');
    expect(await readFile(join(work, 'main.py'), 'utf8')).toBe('print(1)\nmore\n');
    expect(await readFile(join(work, 'pkg/b.py'), 'utf8')).toBe('aaaa');
    expect(await readlink(join(work, 'link'))).toBe('elsewhere');
  });

  test('read-only files and directories are no obstacle', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const script = 'mkdir ro && echo 1 > ro/kept && chmod 400 ro/kept && chmod 500 ro pkg';
    await submit(platform, 'closed', script);
    await terminal({ ...waiter, platform }, 'closed');
    expect(await remains({ dir, platform }, 'closed')).toEqual(['ro', 'ro/kept']);
    const work = workOf(dir, await bucketOf(dir, 'closed'), 'closed');
    expect((await lstat(join(work, 'ro'))).mode & 0o777).toBe(0o500);
    await chmod(join(work, 'ro'), 0o700);
  });

  test('a link to elsewhere is not followed', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const outside = join(dir, 'outside');
    await mkdir(join(outside, 'empty'), { recursive: true });
    await writeFile(join(outside, 'copied'), 'x');
    const copiedAt = new Date('2001-02-03T04:05:06Z');
    await utimes(join(outside, 'copied'), copiedAt, copiedAt);
    await submit(platform, 'linked', `ln -s '${outside}' away && rm -r pkg && ln -s away pkg`);
    await terminal({ ...waiter, platform }, 'linked');
    expect(await remains({ dir, platform }, 'linked')).toEqual(['away', 'pkg']);
    expect((await readdir(outside)).toSorted()).toEqual(['copied', 'empty']);
  });

  test('of a job that was stopped before its start nothing is left', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    const refs: string[] = [];
    for (let i = 0; i < 6; i++) refs.push(await submit(platform, `stop${i}`, 'exec sleep 1000'));
    for (const ref of refs) await platform.cancel(ref);
    for (let i = 0; i < 6; i++) {
      await terminal({ ...waiter, platform }, `stop${i}`);
      expect(await remains({ dir, platform }, `stop${i}`)).toEqual([]);
    }
  });

  test('is removed after a reopening when the service ended before', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    await submit(platform, 'away', 'echo $$ > pid; sleep 0.3');
    await eventually(waiter, async () => {
      const [seen] = await platform.find('away');
      return seen?.state === 'RUNNING' ? seen : undefined;
    });
    await platform.close();
    await sleep(500);
    const work = workOf(dir, await bucketOf(dir, 'away'), 'away');
    expect(await readdir(work)).toContain('main.py');
    await rm(join(dir, 'workspaces'), { recursive: true }); // as after a restart of the machine
    const again = await reopened(dir, onTestFinished);
    await terminal({ ...waiter, platform: again }, 'away');
    expect(await remains({ dir, platform: again }, 'away')).toEqual(['pid']);
  });

  test('is removed in the end wherever the service was closed', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    const ids = Array.from({ length: 8 }, (_, i) => `cut${i}`);
    for (const id of ids) await submit(platform, id, 'echo 1 > kept');
    let current: ProcessPlatform = platform;
    for (const id of ids) {
      await terminal({ ...waiter, platform: current }, id);
      await current.close();
      current = await reopened(dir, onTestFinished);
    }
    for (const id of ids) expect(await remains({ dir, platform: current }, id)).toEqual(['kept']);
  });
});

describe('an unpacked source tree', () => {
  test('is removed when it was not used for a day, and unpacked again', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    await submit(platform, 'first', 'exit 0');
    await terminal({ ...waiter, platform }, 'first');
    await platform.close();
    const soon = await reopened(dir, onTestFinished, DAY_MS - 60_000);
    await soon.close();
    expect(await trees(dir)).toHaveLength(1);
    const later = await reopened(dir, onTestFinished, DAY_MS + 60_000);
    await eventually(waiter, async () => ((await trees(dir)).length === 0 ? true : undefined));
    await submit(later, 'second', 'cat main.py');
    expect(await terminal({ ...waiter, platform: later }, 'second')).toMatchObject({ exitCode: 0 });
    expect(await trees(dir)).toHaveLength(1);
  });

  test('stays while an attempt that is not over needs it', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const ref = await submit(platform, 'long', 'exec sleep 1000');
    await eventually(waiter, async () => ((await trees(dir)).length === 1 ? true : undefined));
    await eventually(waiter, async () => {
      const [seen] = await platform.find('long');
      return seen?.state === 'RUNNING' ? seen : undefined;
    });
    await platform.close();
    const later = await reopened(dir, onTestFinished, DAY_MS + 60_000);
    await later.cancel(ref);
    await terminal({ ...waiter, platform: later }, 'long');
    await later.close();
    expect(await trees(dir)).toHaveLength(1);
  });
});

type Cleanup = (work: () => Promise<void> | void) => void;

async function opened(onTestFinished: Cleanup) {
  const dir = await temporaryDirectory();
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  return { dir, platform: await reopened(dir, onTestFinished) };
}

/** A platform whose only layer is a small source tree; `aheadMs`: how much later its clock is. */
async function reopened(dir: string, onTestFinished: Cleanup, aheadMs = 0) {
  const platform = await openTestPlatform(dir, {
    openLayer: async () => (async function* none() {})(),
    extractLayer: (_tar, targetDir) => sourceTree(targetDir),
    clock: { now: () => systemClock.now() + aheadMs, sleep: systemClock.sleep },
  });
  onTestFinished(() => platform.close());
  return platform;
}

async function sourceTree(dir: string): Promise<void> {
  await mkdir(join(dir, 'pkg'));
  await mkdir(join(dir, 'notes'));
  await writeFile(join(dir, 'main.py'), 'print(1)\n');
  await writeFile(join(dir, 'pkg/a.py'), 'aaaa');
  await writeFile(join(dir, 'pkg/b.py'), 'bbbb');
  await writeFile(join(dir, 'notes/read-only'), 'x', { mode: 0o444 });
  await writeFile(join(dir, 'big.bin'), Buffer.alloc(MEGABYTE, 'big'));
  await symlink('main.py', join(dir, 'link'));
}

async function submit(platform: Platform, jobId: string, script: string): Promise<string> {
  const job = aJob(waiter, { jobId });
  const { ref } = await platform.submit({
    ...job,
    run: { kind: 'workspace', venvKey: null, layers: ['one'] },
    command: ['sh', '-c', script],
    args: [],
    createBy: systemClock.now() + 2 * DAY_MS,
  });
  return ref;
}

/** What is below `work` (if anything) once the platform is done with it: then it forgets the attempt. */
async function remains(
  { dir, platform }: { readonly dir: string; readonly platform: Platform },
  jobId: string,
): Promise<readonly string[]> {
  await eventually(waiter, async () => {
    await platform.list('lane-a', systemClock.now() + 10 * DAY_MS, null);
    return (await readdir(join(dir, 'live'))).includes(`${jobId}.1`) ? undefined : true;
  });
  return namesBelow(workOf(dir, await bucketOf(dir, jobId), jobId));
}

// With types: only so are links not followed.
async function namesBelow(dir: string): Promise<readonly string[]> {
  const entries = await orAbsent(readdir(dir, { recursive: true, withFileTypes: true }));
  return (entries ?? []).map((e) => relative(dir, join(e.parentPath, e.name))).toSorted();
}

async function bucketOf(dir: string, jobId: string): Promise<string> {
  for (const bucket of await readdir(join(dir, 'attempts'))) {
    if ((await readdir(join(dir, 'attempts', bucket))).includes(`${jobId}.1`)) return bucket;
  }
  throw new Error(`No directory of ${jobId}.`);
}

function workOf(dir: string, bucket: string, jobId: string): string {
  return join(dir, 'attempts', bucket, `${jobId}.1`, 'work');
}

async function trees(dir: string): Promise<readonly string[]> {
  const names = await readdir(join(dir, 'workspaces'));
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name));
}

async function bytesBelow(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await lstat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
