import { describe, test } from 'vitest';
import { PlatformRefusal } from '../../functions/ports/platform.ts';
import { aJob, terminal } from '../contract/platform.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import { openTestPlatform, processHarness, shellProgram } from '../fixtures/process-platform.ts';
import { aSmallDisk, canMountDisks } from '../fixtures/small-disk.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const LAYER = 'a'.repeat(64);
const CODES = ['ENOSPC', 'EROFS', 'EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'];

describe('a job whose code finds no room', () => {
  test('waits and starts once there is some, however often it was tried', async ({
    expect,
    onTestFinished,
  }) => {
    let tries = 0;
    const warned: string[] = [];
    const harness = await processHarness({
      clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 50), signal) },
      log: { ...SILENT_LOG, warn: (_, message) => void warned.push(message) },
      openLayer: async () => {
        tries += 1;
        const code = CODES[tries - 1];
        if (code !== undefined) throw full(code);
        return anEmptyTar();
      },
    });
    onTestFinished(() => harness.close());
    const { platform } = harness;
    const run = { kind: 'workspace', venvKey: null, layers: [LAYER] } as const;
    await platform.submit({ ...aJob(harness, { jobId: 'waits', program: { exitCode: 4 } }), run });
    expect(await terminal({ ...harness, platform }, 'waits')).toMatchObject({
      state: 'FAILED',
      exitCode: 4,
    });
    expect(tries).toBe(CODES.length + 1);
    expect(warned).toEqual([
      ...Array(2).fill('the disk takes nothing; the job waits for room'),
      ...Array(4).fill('the machine has nothing to spare; the job waits for room'),
    ]);
  });

  test('can be stopped while it waits', async ({ expect, onTestFinished }) => {
    const harness = await processHarness({
      log: SILENT_LOG,
      openLayer: () => Promise.reject(full('ENOSPC')),
    });
    onTestFinished(() => harness.close());
    const { platform } = harness;
    const run = { kind: 'workspace', venvKey: null, layers: [LAYER] } as const;
    const { ref } = await platform.submit({ ...aJob(harness, { jobId: 'stops' }), run });
    expect(await platform.find('stops')).toMatchObject([{ state: 'SUBMITTED', startedAt: null }]);
    await platform.cancel(ref);
    expect(await terminal({ ...harness, platform }, 'stops')).toMatchObject({
      state: 'STOPPED',
      startedAt: null,
    });
  });
});

test.runIf(canMountDisks())(
  'a job is refused for now while the disk is full, and nothing of it stays',
  async ({ expect, onTestFinished }) => {
    const disk = aSmallDisk({ onTestFinished }, 4);
    const platform = await openTestPlatform(disk.path);
    onTestFinished(() => platform.close());
    const harness = { clock: systemClock, program: shellProgram };
    const job = aJob(harness, { jobId: 'later' });
    disk.fill();
    const refused = await platform.submit(job).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(PlatformRefusal);
    expect(refused).toMatchObject({ kind: 'quota', message: expect.stringContaining('is full') });
    expect(await platform.find('later')).toEqual([]);
    disk.free();
    await platform.submit(job);
    await expect.poll(async () => (await platform.find('later'))[0]?.state).toBe('SUCCEEDED');
  },
);

test.runIf(canMountDisks())(
  'a supervisor that finds no room is no end of its job: it is started again',
  async ({ expect, onTestFinished }) => {
    const disk = aSmallDisk({ onTestFinished }, 4);
    const warned: string[] = [];
    const log = { ...SILENT_LOG, warn: (_: unknown, message: string) => void warned.push(message) };
    const platform = await openTestPlatform(disk.path, { log });
    onTestFinished(() => platform.close());
    const harness = { clock: systemClock, program: shellProgram };
    // Room for what is to be run, then also for the first of the supervisor's files.
    for (const [at, pages] of [1, 2].entries()) {
      const jobId = `job-${pages}`;
      disk.fill(pages * 4096);
      await platform.submit(aJob(harness, { jobId, program: { exitCode: 5 } }));
      await expect.poll(() => warned.length, { timeout: 20_000 }).toBeGreaterThan(at);
      expect(warned).toContain('the disk takes nothing; the job waits for room');
      expect(await platform.find(jobId)).toMatchObject([{ state: 'SUBMITTED', startedAt: null }]);
      disk.free();
      const stateOf = async () => (await platform.find(jobId))[0]?.state;
      await expect.poll(stateOf, { timeout: 20_000 }).toBe('FAILED');
      expect(await platform.find(jobId)).toMatchObject([{ exitCode: 5 }]);
    }
  },
  60_000,
);

function full(code: string): Error {
  return Object.assign(new Error(`${code}: no room`), { code });
}

async function* anEmptyTar(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1024);
}
