import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import { createProcessTable } from '../../functions/adapters/local/process/process-table.ts';
import type { Platform } from '../../functions/ports/platform.ts';
import { aJob, eventually, terminal, wholeLog } from '../contract/platform.ts';
import { submitCounted, timesRun } from '../fixtures/counted-jobs.ts';
import {
  openTestPlatform,
  processHarness,
  shellProgram,
  temporaryDirectory,
} from '../fixtures/process-platform.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const table = createProcessTable(process.platform);
const HOST = fileURLToPath(new URL('../fixtures/platform-host.ts', import.meta.url));
const waiter = { clock: systemClock, program: shellProgram, pass: () => sleep(10) };

describe('a process platform whose service is killed', () => {
  test('every job runs exactly once, wherever the kills come', { timeout: 90_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await directory(onTestFinished);
    const count = 60;
    for (const afterMs of [0, 30, 90, 250, 400]) {
      const host = await startHost(dir, ['3', String(count)]);
      await sleep(afterMs);
      await kill(host);
    }
    const platform = await openTestPlatform(dir, { slots: 3 });
    onTestFinished(() => platform.close());
    await submitCounted(platform, dir, count);
    for (let i = 0; i < count; i++) {
      const end = await terminal({ ...waiter, platform }, `kill${i}`);
      expect(end).toMatchObject({ state: 'SUCCEEDED', exitCode: 0 });
    }
    const ran = await timesRun(dir);
    expect(Object.keys(ran)).toHaveLength(count);
    expect(new Set(Object.values(ran))).toEqual(new Set([1]));
  });

  test('what ended meanwhile is told with its own exit status and time', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    await run(platform, 'away', 'sleep 0.3; exit 7');
    await platform.close();
    await sleep(600);
    const reopenedAt = Date.now();
    const again = await reopened(dir, onTestFinished);
    const [seen] = await again.find('away');
    expect(seen).toMatchObject({ state: 'FAILED', exitCode: 7 });
    expect(seen?.finishedAt).toBeLessThan(reopenedAt);
    const { items } = await again.list('lane-a', reopenedAt, null);
    expect(items).toEqual([seen]);
  });

  test('a running job is found again, and stopped after', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const { ref, pid } = await run(platform, 'found', 'exec sleep 1000');
    await platform.close();
    const again = await reopened(dir, onTestFinished);
    expect(await again.find('found')).toMatchObject([{ state: 'RUNNING', ref }]);
    await again.cancel(ref);
    expect(await terminal({ ...waiter, platform: again }, 'found')).toMatchObject({
      state: 'STOPPED',
    });
    expect(await table.startOf(pid)).toBeNull();
  });

  test('a stop that was asked for is carried out', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished, { slots: 1 });
    const { ref } = await run(platform, 'asked', 'exec sleep 1000');
    const waiting = await platform.submit(aJob(waiter, { jobId: 'queued' }));
    await platform.close();
    for (const asked of [ref, waiting.ref]) {
      await writeFile(join(await attemptDir(dir, asked), 'stop'), '');
    }
    const again = await reopened(dir, onTestFinished);
    for (const jobId of ['asked', 'queued']) {
      const end = await terminal({ ...waiter, platform: again }, jobId);
      expect(end).toMatchObject({ state: 'STOPPED' });
    }
    const [queued] = await again.find('queued');
    expect(queued).toMatchObject({ startedAt: null });
  });

  test('a supervisor killed meanwhile: its program is ended too', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    const { ref, pid } = await run(platform, 'orphan', 'exec sleep 1000');
    await platform.close();
    process.kill(await supervisorPid(dir, ref), 'SIGKILL');
    await sleep(50);
    expect(await table.startOf(pid)).not.toBeNull();
    const again = await reopened(dir, onTestFinished);
    const end = await terminal({ ...waiter, platform: again }, 'orphan');
    expect(end).toMatchObject({ state: 'FAILED', exitCode: null });
    expect(end.cause.code).toBe('supervisor-killed');
    expect(await table.startOf(pid)).toBeNull();
  });

  test('after a restart of the machine, nothing is killed and the job has failed', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    const { ref } = await run(platform, 'boot', 'exec sleep 1000');
    await platform.close();
    const supervisor = await supervisorPid(dir, ref);
    const [pid, start] = await startedLines(dir, ref);
    await writeStarted(dir, ref, [pid ?? '', start ?? '', 'another-boot']);
    const again = await reopened(dir, onTestFinished);
    const [seen] = await again.find('boot');
    expect(seen).toMatchObject({ state: 'FAILED', cause: { code: 'machine-restarted' } });
    expect(await table.startOf(supervisor)).not.toBeNull();
    process.kill(-supervisor, 'SIGKILL');
  });

  test('a pid that belongs to another process now is left alone', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    const { ref } = await run(platform, 'reused', 'exec sleep 1000');
    await platform.close();
    process.kill(-(await supervisorPid(dir, ref)), 'SIGKILL');
    const stranger = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
    onTestFinished(async () => kill(stranger));
    // The kernel counts starts in hundredths of a second: the two may have the same one, as no reused pid ever has.
    const [, start, boot] = await startedLines(dir, ref);
    await writeStarted(dir, ref, [String(stranger.pid), `before ${start}`, boot ?? '']);
    const again = await reopened(dir, onTestFinished);
    await again.cancel(ref);
    const [seen] = await again.find('reused');
    expect(seen).toMatchObject({ state: 'FAILED', cause: { code: 'supervisor-killed' } });
    expect(await table.startOf(stranger.pid ?? 0)).not.toBeNull();
  });

  test.runIf(process.platform === 'linux')(
    'a group whose leader is gone is left alone when it is not the job’s',
    async ({ expect, onTestFinished }) => {
      const { dir, platform } = await opened(onTestFinished);
      const { ref } = await run(platform, 'group', 'exec sleep 1000');
      await platform.close();
      process.kill(-(await supervisorPid(dir, ref)), 'SIGKILL');
      const leader = spawn('sh', ['-c', 'sleep 1000 & echo $!'], {
        detached: true,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const [output] = await once(leader.stdout, 'data');
      const member = Number(String(output));
      onTestFinished(() => void process.kill(member, 'SIGKILL'));
      const [, start, boot] = await startedLines(dir, ref);
      await writeStarted(dir, ref, [String(leader.pid), start ?? '', boot ?? '']);
      const again = await reopened(dir, onTestFinished);
      expect(await again.find('group')).toMatchObject([{ state: 'FAILED' }]);
      expect(await table.startOf(member)).not.toBeNull();
    },
  );

  test('a crash between an attempt and its mark loses nothing', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished, { slots: 1 });
    await run(platform, 'first', 'exec sleep 1000');
    const { ref } = await platform.submit(aJob(waiter, { jobId: 'unmarked' }));
    await platform.cancel('first.1');
    await platform.close();
    await rm(join(dir, 'live', ref));
    await writeFile(join(dir, 'live', 'never-made.1'), '');
    const again = await reopened(dir, onTestFinished);
    expect(await again.find('never-made')).toEqual([]);
    expect(await readdir(join(dir, 'live'))).not.toContain('never-made.1');
    const end = await terminal({ ...waiter, platform: again }, 'unmarked');
    expect(end.state).toBe('SUCCEEDED');
  });

  test('what was to be started before the machine restarted is not started again', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished, { slots: 1 });
    const { ref } = await run(platform, 'cut', 'exec sleep 1000');
    const waits = await platform.submit(aJob(waiter, { jobId: 'waits' }));
    await platform.close();
    process.kill(await supervisorPid(dir, ref), 'SIGKILL');
    const mark = join(dir, 'live', ref);
    expect(await readFile(mark, 'utf8')).toBe(await table.bootId());
    expect(await readFile(join(dir, 'live', waits.ref), 'utf8')).toBe('');
    // As a power cut leaves it: what was not synced is gone.
    await rm(join(await attemptDir(dir, ref), 'started'));
    await writeFile(mark, 'an-earlier-boot');
    const again = await reopened(dir, onTestFinished);
    expect(await terminal({ ...waiter, platform: again }, 'cut')).toMatchObject({
      state: 'FAILED',
      startedAt: null,
      cause: { code: 'machine-restarted' },
    });
    expect((await terminal({ ...waiter, platform: again }, 'waits')).state).toBe('SUCCEEDED');
  });

  test('files of a newer version are refused', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const { ref } = await run(platform, 'newer', 'exit 0');
    await platform.close();
    const spec = join(await attemptDir(dir, ref), 'spec.json');
    await writeFile(spec, JSON.stringify({ schemaVersion: 99 }));
    await expect(openTestPlatform(dir)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
  });
});

describe('an attempt whose files are damaged', () => {
  test('is seen to its end, and can be stopped', async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const runs = await run(platform, 'runs', 'exec sleep 1000');
    await platform.close();
    await writeFile(join(await attemptDir(dir, runs.ref), 'spec.json'), '{"schemaVersion":1');
    const again = await reopened(dir, onTestFinished);
    expect(await again.find('runs')).toMatchObject([{ ref: runs.ref, state: 'RUNNING' }]);
    const { items } = await again.list('lane-a', 0, null);
    expect(items).toMatchObject([{ ref: runs.ref, state: 'RUNNING' }]);
    await again.cancel(runs.ref);
    expect((await terminal({ ...waiter, platform: again }, 'runs')).state).toBe('STOPPED');
    expect(await table.startOf(runs.pid)).toBeNull();
  });

  test('is not started when it was not, and holds up no other', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished, { slots: 1 });
    const first = await run(platform, 'first', 'exec sleep 1000');
    const { ref } = await platform.submit(aJob(waiter, { jobId: 'damaged' }));
    await platform.submit(aJob(waiter, { jobId: 'whole' }));
    await platform.close();
    await writeFile(join(await attemptDir(dir, ref), 'spec.json'), '');
    const again = await reopened(dir, onTestFinished);
    await again.cancel(first.ref);
    expect(await terminal({ ...waiter, platform: again }, 'damaged')).toMatchObject({
      state: 'FAILED',
      cause: { code: 'platform', message: expect.stringContaining('files cannot be read') },
    });
    expect((await terminal({ ...waiter, platform: again }, 'whole')).state).toBe('SUCCEEDED');
  });
});

describe('the supervisor of a process', () => {
  test('when it is killed the program is ended and the job has failed', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished);
    const { ref, pid } = await run(platform, 'super', 'exec sleep 1000');
    process.kill(await supervisorPid(dir, ref), 'SIGKILL');
    const end = await terminal({ ...waiter, platform }, 'super');
    expect(end).toMatchObject({ state: 'FAILED', cause: { code: 'supervisor-killed' } });
    expect(await table.startOf(pid)).toBeNull();
  });

  test('a program killed by signal 9 has status 137', async ({ expect, onTestFinished }) => {
    const { platform } = await opened(onTestFinished);
    await run(platform, 'nine', 'kill -KILL $$');
    const end = await terminal({ ...waiter, platform }, 'nine');
    expect(end).toMatchObject({ state: 'FAILED', exitCode: 137 });
    expect(end.cause.message).toContain('SIGKILL');
  });

  test('a program that ends on TERM has its grace', async ({ expect, onTestFinished }) => {
    const { platform } = await opened(onTestFinished);
    const { ref } = await run(
      platform,
      'grace',
      'trap "echo saved; exit 0" TERM; while :; do sleep 0.02; done',
    );
    await platform.cancel(ref);
    const end = await terminal({ ...waiter, platform }, 'grace');
    expect(end).toMatchObject({ state: 'STOPPED', exitCode: 0 });
    expect(await wholeLog({ platform }, ref, 100)).toContain('saved');
  });

  test('a program that ignores TERM is killed after the grace', async ({
    expect,
    onTestFinished,
  }) => {
    const { platform } = await opened(onTestFinished, { graceMs: 300 });
    const { ref, pid } = await run(platform, 'deaf', 'trap "" TERM; while :; do sleep 0.02; done');
    const askedAt = Date.now();
    await platform.cancel(ref);
    const end = await terminal({ ...waiter, platform }, 'deaf');
    expect(end).toMatchObject({ state: 'STOPPED', exitCode: null });
    expect(Date.now() - askedAt).toBeGreaterThanOrEqual(300);
    expect(await table.startOf(pid)).toBeNull();
  });

  test.for(['stop', 'end'])(
    'at the %s nothing that the program started is left',
    async (how, { expect, onTestFinished }) => {
      const { dir, platform } = await opened(onTestFinished);
      const wait = how === 'stop' ? 'wait' : 'exit 0';
      const script = `(trap "" TERM; sh -c 'sleep 1000; :' & sleep 1000) & sleep 1000 & ${wait}`;
      const { ref } = await run(platform, 'family', script);
      const group = await supervisorPid(dir, ref);
      if (how === 'stop') await platform.cancel(ref);
      await terminal({ ...waiter, platform }, 'family');
      const left = await eventually(waiter, async () => {
        const members = await table.groupMembers(group);
        return members.length === 0 ? members : undefined;
      });
      expect(left).toEqual([]);
    },
  );

  test('a job that waits for a slot is stopped at once and never started', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, platform } = await opened(onTestFinished, { slots: 1 });
    const first = await run(platform, 'busy', 'exec sleep 1000');
    const { ref } = await platform.submit(
      aJob(waiter, { jobId: 'waits', program: { prints: 'started' } }),
    );
    await platform.cancel(ref);
    const [stopped] = await platform.find('waits');
    expect(stopped).toMatchObject({ state: 'STOPPED', startedAt: null });
    await platform.cancel(first.ref);
    await terminal({ ...waiter, platform }, 'busy');
    await run(platform, 'next', 'exit 0');
    expect(await readdir(await attemptDir(dir, ref))).not.toContain('log');
  });

  test('200 quick jobs run once each and leave neither zombies nor open files', {
    timeout: 90_000,
  }, async ({ expect, onTestFinished }) => {
    const { dir, platform } = await opened(onTestFinished);
    const filesBefore = await openFiles();
    const begun = performance.now();
    await submitCounted(platform, dir, 200);
    for (let i = 0; i < 200; i++) await terminal({ ...waiter, platform }, `kill${i}`);
    const rate = 200_000 / (performance.now() - begun);
    console.info(`process platform: ${rate.toFixed(0)} jobs/s with 2 slots`);
    const ran = await timesRun(dir);
    expect(Object.keys(ran)).toHaveLength(200);
    expect(new Set(Object.values(ran))).toEqual(new Set([1]));
    const live = await eventually(waiter, async () => {
      await platform.list('lane-a', Date.now() + 1, null);
      const refs = await readdir(join(dir, 'live'));
      return refs.length === 0 ? refs : undefined;
    });
    expect(live).toEqual([]);
    await eventually(waiter, async () => ((await zombies()) === 0 ? true : undefined));
    expect(await openFiles()).toBeLessThanOrEqual(filesBefore + 2);
  });
});

type Cleanup = (work: () => Promise<void> | void) => void;

async function directory(onTestFinished: Cleanup): Promise<string> {
  const dir = await temporaryDirectory();
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  await mkdir(join(dir, 'ran'), { recursive: true });
  return dir;
}

async function opened(
  onTestFinished: Cleanup,
  options: { readonly slots?: number; readonly graceMs?: number } = {},
) {
  const harness = await processHarness(options);
  onTestFinished(() => harness.close());
  return harness;
}

async function reopened(dir: string, onTestFinished: Cleanup): Promise<Platform> {
  const platform = await openTestPlatform(dir);
  onTestFinished(() => platform.close());
  return platform;
}

/** Submits a script and waits until it runs (or is over); the pid is its own. */
async function run(
  platform: Platform,
  jobId: string,
  script: string,
): Promise<{ readonly ref: string; readonly pid: number }> {
  const job = aJob(waiter, { jobId });
  const command = ['sh', '-c', `echo $$; ${script}`];
  const { ref } = await platform.submit({ ...job, command, args: [] });
  const pid = await eventually(waiter, async () => {
    const [seen] = await platform.find(jobId);
    const { text } = await platform.readLog(ref, '', 1000);
    const isUnderway = seen?.state !== 'SUBMITTED' && text.includes('\n');
    return isUnderway ? Number.parseInt(text, 10) : undefined;
  });
  return { ref, pid };
}

async function attemptDir(dir: string, ref: string): Promise<string> {
  for (const bucket of await readdir(join(dir, 'attempts'))) {
    const names = await readdir(join(dir, 'attempts', bucket));
    if (names.includes(ref)) return join(dir, 'attempts', bucket, ref);
  }
  throw new Error(`No directory of ${ref}.`);
}

async function startedLines(dir: string, ref: string): Promise<readonly string[]> {
  return (await readFile(join(await attemptDir(dir, ref), 'started'), 'utf8')).split('\n');
}

async function writeStarted(dir: string, ref: string, lines: readonly string[]): Promise<void> {
  const text = lines.map((line) => `${line}\n`).join('');
  await writeFile(join(await attemptDir(dir, ref), 'started'), text);
}

async function supervisorPid(dir: string, ref: string): Promise<number> {
  return Number((await startedLines(dir, ref))[0]);
}

async function startHost(dir: string, args: readonly string[]): Promise<ChildProcess> {
  const host = spawn(process.execPath, [HOST, dir, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(host.stdout, 'data');
  return host;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function openFiles(): Promise<number> {
  return process.platform === 'linux' ? (await readdir('/proc/self/fd')).length : 0;
}

/** Unreaped children of this process (Linux; elsewhere none are counted). */
async function zombies(): Promise<number> {
  if (process.platform !== 'linux') return 0;
  let count = 0;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' && Number(parent) === process.pid) count += 1;
  }
  return count;
}
