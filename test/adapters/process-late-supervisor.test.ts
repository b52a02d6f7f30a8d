import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { aJob, terminal } from '../contract/platform.ts';
import {
  openTestPlatform,
  shellProgram,
  temporaryDirectory,
} from '../fixtures/process-platform.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const waiter = { clock: systemClock, program: shellProgram, pass: () => sleep(10) };

describe('a service killed right after it started a supervisor', () => {
  test('that is slow: the next service runs the program, and the late one finds its place taken', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await temporaryDirectory();
    onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    const ran = join(dir, 'ran');
    const job = aJob(waiter, { jobId: 'late' });
    const command = ['sh', '-c', 'echo ran >> "$0"', ran];

    const killed = await openTestPlatform(dir, { slots: 0 });
    const { ref } = await killed.submit({ ...job, command, args: [] });
    await killed.close();
    const attempt = await attemptDirectory(dir, ref);
    await mkdir(join(attempt, 'work'));
    // Its supervisor, which has not come to its first line yet.
    const late = spawn(
      '/bin/sh',
      ['-c', 'read -r go; exec /bin/sh "$0" "$@"', join(dir, 'supervisor.sh'), attempt, ...command],
      { cwd: join(attempt, 'work'), detached: true, stdio: ['pipe', 'ignore', 'inherit'] },
    );
    const lateEnd = once(late, 'exit');

    const next = await openTestPlatform(dir);
    onTestFinished(() => next.close());
    const end = await terminal({ ...waiter, platform: next }, 'late');
    expect(end).toMatchObject({ state: 'SUCCEEDED' });
    late.stdin.end('go\n');
    expect(await lateEnd).toEqual([0, null]);
    expect(await readFile(ran, 'utf8')).toBe('ran\n');
    expect(await next.find('late')).toEqual([end]);
  });
});

async function attemptDirectory(dir: string, ref: string): Promise<string> {
  for (const bucket of await readdir(join(dir, 'attempts'))) {
    const names = await readdir(join(dir, 'attempts', bucket));
    if (names.includes(ref)) return join(dir, 'attempts', bucket, ref);
  }
  throw new Error(`No directory of ${ref}.`);
}
