import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { aJob, eventually, terminal, wholeLog } from '../contract/platform.ts';
import { submitCounted, timesRun } from '../fixtures/counted-jobs.ts';
import {
  attemptDir,
  opened,
  openFiles,
  reopened,
  run,
  supervisorPid,
  table,
  waiter,
  zombies,
} from '../fixtures/process-faults.ts';

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
