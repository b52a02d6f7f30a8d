import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A bug made on purpose: the simulator must find it. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Text of the source that stands there exactly once, and what the bug makes of it. */
  readonly find: string;
  readonly replace: string;
}

/** Bugs that a tired engineer could write. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'drop the claim check',
    file: 'functions/core/claim.ts',
    find: 'claimed.map(({ job, value }) => put(job.key, value, { version: job.version }))',
    replace: 'claimed.map(({ job, value }) => put(job.key, value))',
  },
  {
    name: 'publish before commit',
    file: 'functions/core/outbox.ts',
    find: '  await deps.store.commit([\n    ...writes,',
    replace: '  await publishRows(deps, rows);\n  await deps.store.commit([\n    ...writes,',
  },
  {
    name: 'forget the grace',
    file: 'functions/core/claim.ts',
    find: 'claimUntil: createBy + listLagMs + deps.timing.skewMs',
    replace: 'claimUntil: now',
  },
  {
    name: 'expand after stop',
    file: 'functions/core/expand.ts',
    find: '!stillCreatesJobs(submission) || ',
    replace: '',
  },
  {
    name: 'serve the gate in arrival order',
    file: 'functions/core/gate.ts',
    find: 'times[next] = (times[next] ?? 0) + 1 / WEIGHT;',
    replace: '',
  },
  {
    name: 'build again without grace',
    file: 'functions/adapters/gcp/cloud-build-builder.ts',
    find: 'return !isShown && options.clock.now() < last.at + GRACE_MS;',
    replace: 'return false;',
  },
  {
    name: 'take a wait without its version',
    file: 'functions/consumers/in-slices.ts',
    find: 'put(wait.key, taken, { version: wait.version })',
    replace: 'put(wait.key, taken)',
  },
  {
    name: 'delete what was published without its version',
    file: 'functions/core/outbox.ts',
    find: '...(version === undefined ? {} : { expect: { version } })',
    replace: '',
  },
  {
    name: 'take over a claim at once',
    file: 'functions/core/claim-recovery.ts',
    find: 'atMost: deps.clock.now() }',
    replace: 'atMost: Number.MAX_SAFE_INTEGER }',
  },
  {
    name: 'give up after one failed build',
    file: 'functions/core/dependency-build.ts',
    find: 'progress.retryable && attempt % BUILD_ATTEMPTS !== 0',
    replace: 'false',
  },
];

/** Plays seeds on a copy of the sources with the bug in it; the first seed that finds it, with what it says, or undefined. */
export function firstSeedThatFinds(
  mutant: Mutant,
  seeds: number,
): { readonly seed: number; readonly says: string } | undefined {
  const folder = `${root}dist/mutants/${mutant.name.replaceAll(' ', '-')}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of ['functions', 'shared', 'test/sim', 'test/doubles', 'package.json'])
    cpSync(`${root}${part}`, `${folder}/${part}`, { recursive: true });
  symlinkSync(`${root}node_modules`, `${folder}/node_modules`);
  const source = readFileSync(`${folder}/${mutant.file}`, 'utf8');
  if (source.split(mutant.find).length !== 2)
    throw new Error(`${mutant.name}: its text does not stand exactly once in ${mutant.file}`);
  writeFileSync(
    `${folder}/${mutant.file}`,
    source.replace(mutant.find, () => mutant.replace),
  );
  const played = spawnSync(
    process.execPath,
    ['test/sim/main.ts', '--to', String(seeds), '--first'],
    { cwd: folder, encoding: 'utf8' },
  );
  rmSync(folder, { recursive: true, force: true });
  const found = /^seed (\d+): (.*)$/m.exec(played.stdout);
  if (found === null && played.status !== 0)
    throw new Error(`${mutant.name}: the simulator itself failed\n${played.stderr}`);
  return found === null ? undefined : { seed: Number(found[1]), says: found[2] ?? '' };
}
