import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { root } from './run.ts';

/**
 * The main job on real code, on this machine alone: packs examples/digits, expands its experiment config, runs every point and
 * says which did best. `--keep` leaves the service running and shows its address and token; `--platform` is passed on to serve.
 */
const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    platform: { type: 'string', default: 'process' },
  },
});
const startedAt = Date.now();
const home = mkdtempSync(join(tmpdir(), 'caliban-demo-'));
const example = join(root, 'examples', 'digits');

const statusSchema = z.object({
  experiments: z.array(
    z.object({
      flags: z.array(z.tuple([z.string(), z.string()])),
      jobs: z.array(z.object({ id: z.string(), state: z.string() })),
    }),
  ),
});

function caliban(
  args: readonly string[],
  options: { readonly show: boolean } = { show: true },
): string {
  if (options.show) console.log(`\n$ caliban ${args.join(' ')}`);
  const ran = spawnSync(process.execPath, [join(root, 'dist', 'cli', 'main.js'), ...args], {
    cwd: example,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, CALIBAN_HOME: home, CALIBAN_ENDPOINT: '', CALIBAN_TOKEN: '' },
    stdio: options.show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
  });
  if (ran.status !== 0)
    throw new Error(
      `caliban ${args.join(' ')} ended with status ${ran.status}\n${ran.stderr ?? ''}`,
    );
  return ran.stdout ?? '';
}

function accuracyOf(jobId: string): number {
  const found = /accuracy ([\d.]+)/.exec(caliban(['logs', jobId], { show: false }));
  if (found === null) throw new Error(`job ${jobId} printed no accuracy`);
  return Number(found[1]);
}

function build(): void {
  const built = spawnSync(process.execPath, [join(root, 'scripts', 'build-cli.ts')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (built.status !== 0) process.exit(built.status ?? 1);
}

function results() {
  const { experiments } = statusSchema.parse(
    JSON.parse(caliban(['status', '--xgroup', 'digits', '--json'], { show: false })),
  );
  return experiments
    .flatMap(({ flags, jobs }) =>
      jobs.map(({ id }) => ({
        flags: flags.map(([name, value]) => `--${name} ${value}`).join(' '),
        id,
        accuracy: accuracyOf(id),
      })),
    )
    .toSorted((a, b) => b.accuracy - a.accuracy);
}

function farewell(best: string | undefined, jobs: number): void {
  const seconds = ((Date.now() - startedAt) / 1_000).toFixed(0);
  console.log(`\n${jobs} jobs packed, uploaded, expanded, run and tracked in ${seconds} s.`);
  const bin = join(root, 'bin', 'caliban.mjs');
  if (values.keep) {
    const { address, token } = endpoint();
    console.log(
      [
        `\nThe service goes on at ${address}. From any shell of this machine:`,
        `  export CALIBAN_ENDPOINT=${address} CALIBAN_TOKEN=${token}`,
        `  ${bin} status --xgroup digits`,
        `End it with\n  CALIBAN_HOME=${home} ${bin} serve --stop`,
      ].join('\n'),
    );
  }
  const longer = (best ?? '').replace(/--epochs \d+/, '--epochs 60');
  console.log(
    [
      `\nWhat to try next, in ${example}:`,
      `  ${bin} cloud --experiment_config experiment.json train.py`,
      `  ${bin} expansion --print_flags experiment.json`,
      `  ${bin} cloud train.py -- ${longer}`,
    ].join('\n'),
  );
}

function endpoint(): { readonly address: string; readonly token: string } {
  const shown = z
    .object({ address: z.string() })
    .parse(JSON.parse(caliban(['serve', '--status', '--json'], { show: false })));
  const token = spawnSync('cat', [join(home, 'token')], { encoding: 'utf8' }).stdout.trim();
  return { address: shown.address, token };
}

build();
let ended = false;
try {
  caliban(['serve', '--detach', `--platform=${values.platform}`]);
  caliban([
    'cloud',
    '--experiment_config',
    'experiment.json',
    '--xgroup',
    'digits',
    '--wait',
    'train.py',
  ]);
  caliban(['status', '--xgroup', 'digits']);
  const ranking = results();
  console.log('\nBest settings, by the accuracy each job printed:');
  for (const { accuracy, flags } of ranking.slice(0, 3))
    console.log(`  ${accuracy.toFixed(4)}  ${flags}`);
  farewell(ranking[0]?.flags, ranking.length);
  ended = true;
} finally {
  if (!ended || !values.keep) {
    caliban(['serve', '--stop'], { show: false });
    rmSync(home, { recursive: true, force: true });
  }
}
