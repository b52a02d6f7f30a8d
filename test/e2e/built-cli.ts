import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

/** The checkout. */
export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));
/** The built program. */
export const MAIN: string = join(ROOT, 'dist', 'cli', 'main.js');

/** How a command ended and what it printed. */
interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user's machine: an empty home of its own, and the built CLI. */
export interface Machine {
  readonly home: string;
  /** Runs a command to its end. */
  caliban(
    args: readonly string[],
    options?: { readonly cwd?: string; readonly input?: string },
  ): Promise<Ran>;
  /** Pid of the running service. */
  servePid(): number;
}

/** A machine in a scratch folder; ended and removed by `onTestFinished`. */
export function scratchMachine(
  onTestFinished: (end: () => void) => void,
  settings: Readonly<Record<string, string>> = {},
): Machine {
  const home = mkdtempSync(join(tmpdir(), 'caliban-e2e-'));
  const data = join(home, 'data');
  const env = {
    ...process.env,
    HOME: home,
    CALIBAN_HOME: data,
    CALIBAN_ENDPOINT: '',
    CALIBAN_TOKEN: '',
    CALIBAN_PLATFORM: 'process',
    NO_COLOR: '1',
    ...settings,
  };
  onTestFinished(() => {
    spawnSync(process.execPath, [MAIN, 'serve', '--stop'], { env });
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    home,
    caliban: (args, { cwd = home, input = '' } = {}) =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [MAIN, ...args], { cwd, env });
        const printed = { stdout: '', stderr: '' };
        for (const name of ['stdout', 'stderr'] as const) {
          child[name].setEncoding('utf8').on('data', (text: string) => {
            printed[name] += text;
          });
        }
        child.on('error', reject);
        child.on('close', (status) => resolve({ status, ...printed }));
        child.stdin.end(input);
      }),
    servePid: () =>
      z
        .object({ pid: z.number() })
        .parse(JSON.parse(readFileSync(join(data, 'serve.json'), 'utf8'))).pid,
  };
}

/** The part of `status --json` that tests look at. */
export const statusJson = z.object({
  experiments: z.array(
    z.object({
      flags: z.array(z.tuple([z.string(), z.string()])),
      jobs: z.array(z.object({ id: z.string(), state: z.string() })),
    }),
  ),
});
