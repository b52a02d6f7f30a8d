import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { createSpawner, type Started } from '../../functions/adapters/local/process/spawner.ts';
import type { Platform } from '../../functions/ports/platform.ts';
import { aJob, eventually, terminal } from '../contract/platform.ts';
import { canLimit, takeDescriptors } from '../fixtures/descriptors.ts';
import { openTestPlatform, processHarness, shellProgram } from '../fixtures/process-platform.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const waiter = { clock: systemClock, program: shellProgram, pass: () => sleep(10) };

describe('the process that starts programs', () => {
  test('tells the end of what it started', async ({ expect, onTestFinished }) => {
    const spawner = createSpawner();
    onTestFinished(() => spawner.close());
    const first = await spawner.start(aProgram('exit 3'));
    const second = await spawner.start(aProgram('sleep 0.2; exit 4'));
    expect(await exitOf(second)).toBe(4);
    // Its end came long before anybody asked.
    expect(await exitOf(first)).toBe(3);
  });

  test('tells what cannot be started, and starts the next', async ({ expect, onTestFinished }) => {
    const spawner = createSpawner();
    onTestFinished(() => spawner.close());
    const missing = { ...aProgram('exit 0'), file: '/nowhere/program' };
    await expect(spawner.start(missing)).rejects.toThrow('ENOENT');
    await expect(spawner.start(aProgram('exit 0'))).resolves.toBeDefined();
  });

  test('starts nothing once it is closed', async ({ expect }) => {
    const spawner = createSpawner();
    spawner.close();
    await expect(spawner.start(aProgram('exit 0'))).rejects.toThrow('any more');
  });

  test.runIf(canLimit())(
    'tells by its code what it lacked, and starts it once that is there',
    async ({ expect, onTestFinished }) => {
      const spawner = createSpawner();
      onTestFinished(() => spawner.close());
      await exitOf(await spawner.start(aProgram('exit 0')));
      const [helper = 0] = await helpers();
      const giveBack = takeDescriptors(helper);
      const refused = spawner.start(aProgram('exit 0'));
      await expect(refused).rejects.toMatchObject({ code: 'EMFILE' });
      giveBack();
      expect(await exitOf(await spawner.start(aProgram('exit 5')))).toBe(5);
      expect(await helpers()).toEqual([helper]);
    },
  );

  test.runIf(process.platform === 'linux')(
    'may be killed: what runs goes on and its end is noticed, what comes is started',
    async ({ expect, onTestFinished }) => {
      const { platform, close } = await processHarness();
      onTestFinished(close);
      const first = await run(platform, 'before', 'read word < /dev/null; sleep 0.2; exit 7');
      const killed = await helpers();
      expect(killed).toHaveLength(1);
      for (const pid of killed) process.kill(pid, 'SIGKILL');
      expect(await terminal({ ...waiter, platform }, 'before')).toMatchObject({
        ref: first,
        exitCode: 7,
      });
      await run(platform, 'after', 'exit 0');
      expect(await terminal({ ...waiter, platform }, 'after')).toMatchObject({
        state: 'SUCCEEDED',
      });
      expect(await helpers()).toHaveLength(1);
    },
  );

  test.runIf(process.platform === 'linux')(
    'goes when the platform is closed; what runs goes on',
    async ({ expect, onTestFinished }) => {
      const { dir, platform, close } = await processHarness();
      onTestFinished(close);
      const ref = await run(platform, 'stays', 'exec sleep 1000');
      await platform.close();
      await eventually(waiter, async () => ((await helpers()).length === 0 ? true : undefined));
      const again = await openTestPlatform(dir);
      onTestFinished(() => again.close());
      expect(await again.find('stays')).toMatchObject([{ ref, state: 'RUNNING' }]);
      await again.cancel(ref);
      await terminal({ ...waiter, platform: again }, 'stays');
    },
  );
});

function aProgram(script: string) {
  return { file: '/bin/sh', args: ['-c', script], cwd: tmpdir(), env: {} };
}

function exitOf(started: Started): Promise<number | null> {
  return new Promise((resolve) => started.onExit(resolve));
}

/** Submits a script and waits until it runs or is over. */
async function run(platform: Platform, jobId: string, script: string): Promise<string> {
  const job = { ...aJob(waiter, { jobId }), command: ['sh', '-c', script], args: [] };
  const { ref } = await platform.submit(job);
  await eventually(waiter, async () => {
    const [seen] = await platform.find(jobId);
    return seen?.state === 'SUBMITTED' ? undefined : true;
  });
  return ref;
}

/** Pids of the helpers that this process has. */
async function helpers(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const title = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const isOurs = Number(parent) === process.pid && state !== 'Z';
    if (isOurs && title.startsWith('caliban-spawn')) found.push(Number(name));
  }
  return found;
}
