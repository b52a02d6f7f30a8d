import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { aJob, terminal } from '../contract/platform.ts';
import { submitCounted, timesRun } from '../fixtures/counted-jobs.ts';
import {
  attemptDir,
  directory,
  kill,
  opened,
  reopened,
  run,
  startedLines,
  startHost,
  supervisorPid,
  table,
  waiter,
  writeStarted,
} from '../fixtures/process-faults.ts';
import { openTestPlatform } from '../fixtures/process-platform.ts';

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
