import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { hasPart } from '../fixtures/require.ts';
import { type Machine, ROOT, scratchMachine, statusJson } from './built-cli.ts';

const DIGITS = join(ROOT, 'examples', 'digits');
const CONFIG = ['--experiment_config', 'experiment.json', '--xgroup', 'digits'];

describe.runIf(hasPart('python'))('the digits sweep on one machine', () => {
  test('runs every point of its config and tells of each', async ({ expect, onTestFinished }) => {
    const machine = scratchMachine(onTestFinished);
    const ran = await machine.caliban(['cloud', ...CONFIG, '--wait', 'train.py'], { cwd: DIGITS });
    expect(ran, ran.stderr).toMatchObject({ status: 0 });
    const shown = await machine.caliban(['status', '--xgroup', 'digits']);
    expect(shown.stdout).toContain('xgroup digits');
    expect(shown.stdout.match(/ SUCCEEDED /g)?.length).toBeGreaterThanOrEqual(12);
    const [first] = await jobsOf(machine);
    const logs = await machine.caliban(['logs', first?.id ?? '']);
    expect(logs.stdout).toMatch(/accuracy 0\.\d+/);
  });

  test('a killed service is started again and every job has run exactly once', async ({
    expect,
    onTestFinished,
  }) => {
    const machine = scratchMachine(onTestFinished);
    const record = join(machine.home, 'record.txt');
    await machine.caliban(['cloud', ...CONFIG, '--no_wait', 'train.py', '--', '--record', record], {
      cwd: DIGITS,
    });
    await until(async () => (await linesOf(record)).length >= 2);
    process.kill(machine.servePid(), 'SIGKILL');
    const before = await machine.caliban(['status', '--xgroup', 'digits']);
    expect(before.stderr).toContain('no service running');
    await machine.caliban(['serve', '--detach']);
    await until(async () => (await jobsOf(machine)).every(({ state }) => state === 'SUCCEEDED'));
    const jobs = await jobsOf(machine);
    expect(jobs.length).toBeGreaterThanOrEqual(12);
    expect(await linesOf(record)).toHaveLength(jobs.length);
  });
});

async function jobsOf(
  machine: Machine,
): Promise<{ readonly id: string; readonly state: string }[]> {
  const { stdout } = await machine.caliban(['status', '--xgroup', 'digits', '--json']);
  return statusJson.parse(JSON.parse(stdout)).experiments.flatMap(({ jobs }) => jobs);
}

async function linesOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

// The jobs are other processes: there is nothing to await but what they leave behind.
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await holds()) return;
    await sleep(200);
  }
  throw new Error('it did not come true in time');
}
