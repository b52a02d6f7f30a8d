import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { installSchemathesis } from '../../fixtures/schemathesis/install-schemathesis.ts';
import { type HostileService, TOKEN } from '../hostile/hostile-service.ts';
import { addContent } from './known-content.ts';
import { knownValues } from './known-values.ts';
import { writeFiles } from './schemathesis-files.ts';

/** How much schemathesis does. */
export interface FuzzOptions {
  /** Test cases for each operation and phase, at most. */
  readonly examples: number;
  readonly seed: number;
  /** Goes on making test cases for so long in all; null: once through. */
  readonly seconds: number | null;
  /** Where its report goes: to this process' own output, or into the answer. */
  readonly output: 'inherit' | 'pipe';
  /** Ends it. */
  readonly signal: AbortSignal | null;
}

/** Fills the service with content and runs schemathesis against its description. `status` 0: nothing was found. */
export async function runSchemathesis(
  service: HostileService,
  options: FuzzOptions,
): Promise<{ readonly status: number | null; readonly report: string }> {
  const known = knownValues(await addContent(service));
  const dir = await mkdtemp(join(tmpdir(), 'caliban-fuzz-'));
  try {
    const { config, description } = await writeFiles(dir, service, known);
    const [program, ...args] = await installSchemathesis();
    const what = ['--config-file', config, 'run', description, '--url', service.address];
    return await ended(program, [...args, ...what, ...flagsOf(options)], { ...options, cwd: dir });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function flagsOf({ examples, seed, seconds, output }: FuzzOptions): string[] {
  return [
    ...['--max-examples', String(examples), '--seed', String(seed)],
    ...(seconds === null ? [] : ['--max-time', String(seconds)]),
    ...(output === 'pipe' ? ['--no-color'] : []),
  ];
}

async function ended(
  program: string,
  args: readonly string[],
  { output, signal, cwd }: Pick<FuzzOptions, 'output' | 'signal'> & { readonly cwd: string },
) {
  const child = spawn(program, args, {
    ...{ cwd, killSignal: 'SIGKILL', ...(signal === null ? {} : { signal }) },
    stdio: ['ignore', output, output],
    env: { ...process.env, CALIBAN_TOKEN: TOKEN, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
  });
  const [[status], ...said] = await Promise.all([
    once(child, 'close'),
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
  ]);
  return { status: status as number | null, report: said.join('\n') };
}
