import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { configOf, type Sweep } from './plan.ts';
import { SCRIPT, SCRIPT_TEXT } from './script.ts';
import { BIN } from './serve-process.ts';
import { lookNow, type Stage } from './stage.ts';

/** How a command ended and what it printed. */
export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const UNAVAILABLE = 6;
const TRIES = 60;
const PAUSE_MS = 250;
const accepted = z.object({ id: z.string(), jobs: z.number() });

/** Runs a command of the real CLI to its end. */
export function runCli(
  { serve, home }: Pick<Stage, 'serve' | 'home'>,
  args: readonly string[],
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const cwd = join(home, 'project');
    mkdirSync(cwd, { recursive: true });
    writeFileSync(join(cwd, SCRIPT), SCRIPT_TEXT);
    const child = spawn(process.execPath, [BIN, ...args], { cwd, env: serve.environment() });
    const printed = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        printed[name] += text;
      });
    }
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, ...printed }));
    child.stdin.end();
  });
}

/**
 * `caliban cloud` until a sweep is accepted, as a user does it: the command repeats its request by itself; when it gives up all the
 * same, the user looks whether the sweep is there before trying again.
 */
export async function cloudUntilAccepted(stage: Stage, sweep: Sweep): Promise<void> {
  const config = join(stage.home, `${sweep.name}.json`);
  writeFileSync(config, configOf(sweep));
  const flags = ['--nogpu', '--no_wait', '--no_start', '--json', '--name', sweep.name];
  const where = ['--xgroup', sweep.group, '--experiment_config', config];
  for (let attempt = 1; ; attempt++) {
    const ran = await runCli(stage, ['cloud', ...flags, ...where, SCRIPT, '--', stage.lines]);
    if (ran.status === 0) {
      const { id, jobs } = accepted.parse(JSON.parse(ran.stdout));
      stage.ledger.accepted({ sweep, id, jobs, by: 'cli' });
      return;
    }
    if (ran.status !== UNAVAILABLE || attempt === TRIES)
      throw new Error(`caliban cloud ended with status ${ran.status}: ${ran.stderr}`);
    const found = lookNow(stage)?.submissions.get(sweep.name);
    if (found !== undefined) {
      stage.ledger.accepted({ sweep, id: found.id, jobs: sweep.points.length, by: 'cli' });
      return;
    }
    await sleep(PAUSE_MS);
  }
}
