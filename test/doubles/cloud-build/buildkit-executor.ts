import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Build } from './build-record.ts';
import { type Buildkitd, startBuildkitd } from './buildkitd.ts';
import type { BuildMachine, Executor, StepResult, StepRun } from './executor.ts';
import { enterProgram, STEP_PATH, writeStepRoot } from './step-root.ts';

export interface BuildkitExecutorOptions {
  /** Directory of buildkitd, buildctl and buildx: `test/tools/go-tools.sh` prints it. */
  readonly tools: string;
  /** Registries that speak plain HTTP, as in `127.0.0.1:5000`. */
  readonly plainRegistries: readonly string[];
  /** Step images that can be had: those with docker and buildx. Default: `STEP_IMAGES`. */
  readonly stepImages?: RegExp;
  /** BuildKit keeps what it has between builds, which Cloud Build's machines do not. Default: false. */
  readonly keepsCache?: boolean;
}

/** Docker's official image, by tag, digest or both. */
export const STEP_IMAGES =
  /^(docker\.io\/library\/|docker\.io\/)?docker(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/;

/** Runs steps of docker images literally, in a root of their own on this machine, with the real buildx and BuildKit. Needs root. */
export async function startBuildkitExecutor(options: BuildkitExecutorOptions): Promise<Executor> {
  const dir = await mkdtemp(join(tmpdir(), 'cloud-build-'));
  const starting = startBuildkitd({ ...options, dir: join(dir, 'double') });
  const buildkitd = await starting.catch(async (error: unknown) => {
    await rm(dir, { recursive: true, force: true });
    throw error;
  });
  await writeStepRoot(join(dir, 'double'));
  const open = new Set<string>();
  return {
    async machine({ id }: Build) {
      if (options.keepsCache !== true && open.size === 0) await buildkitd.prune();
      open.add(id);
      const machine = await createMachine(dir, { id, options });
      return {
        ...machine,
        async close() {
          open.delete(id);
          await machine.close();
        },
      };
    },
    close: () => closed(buildkitd, dir),
  };
}

async function closed(buildkitd: Buildkitd, dir: string): Promise<void> {
  await buildkitd.close();
  await rm(dir, { recursive: true, force: true });
}

interface Made {
  readonly id: string;
  readonly options: BuildkitExecutorOptions;
}

async function createMachine(dir: string, { id, options }: Made): Promise<BuildMachine> {
  const machine = join(dir, id);
  for (const name of ['workspace', 'home', 'scripts', 'outputs', 'root']) {
    await mkdir(join(machine, name), { recursive: true });
  }
  return {
    pulls: (image) => (options.stepImages ?? STEP_IMAGES).test(image),
    unpack: (archive, object) => unpack(archive, { object, into: join(machine, 'workspace') }),
    // No step has an engine, so none has built an image that could be pushed.
    push: async () => undefined,
    close: () => rm(machine, { recursive: true, force: true }),
    async run(step) {
      await mkdir(join(machine, 'outputs', String(step.index)), { recursive: true });
      const command = await commandOf(machine, step);
      const places = [join(machine, 'root'), machine, join(dir, 'double'), options.tools];
      const enter = [enterProgram(join(dir, 'double')), ...places, String(step.index)];
      return runStep(machine, { step, args: [...enter, ...command] });
    },
  };
}

async function unpack(
  archive: Uint8Array,
  { object, into }: { readonly object: string; readonly into: string },
): Promise<void> {
  if (object.endsWith('.zip')) throw new Error('the Cloud Build double unpacks .tar.gz only');
  const tar = spawn('tar', ['--extract', '--gzip', '--directory', into], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const errors = buffer(tar.stderr);
  // What tar refuses to read is told by its exit code.
  tar.stdin.on('error', () => {});
  tar.stdin.end(archive);
  const [code] = await once(tar, 'close');
  if (code !== 0) throw new Error(`${object} is no .tar.gz: ${String(await errors)}`);
}

/** Directory, PATH and command of a step, as `enter.sh` wants them. */
async function commandOf(machine: string, { index, step, env }: StepRun): Promise<string[]> {
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length);
  const first = [posix.resolve('/workspace', step.dir), path ?? STEP_PATH];
  if (step.script !== '') {
    const name = `step-${index}`;
    const text = step.script.startsWith('#!') ? step.script : `#!/bin/sh\n${step.script}`;
    await writeFile(join(machine, 'scripts', name), text, { mode: 0o755 });
    return [...first, `/builder/scripts/${name}`];
  }
  return [...first, step.entrypoint || 'docker-entrypoint.sh', ...step.args];
}

interface Started {
  readonly step: StepRun;
  readonly args: readonly string[];
}

async function runStep(machine: string, { step, args }: Started): Promise<StepResult> {
  step.signal.throwIfAborted();
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
  const child = spawn('/usr/bin/unshare', [...namespaces, '/bin/sh', ...args], {
    env: { ...environment(step.env), HOME: '/builder/home', BUILDER_OUTPUT: '/builder/outputs' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (bytes: Buffer) => step.log.write(bytes));
  child.stderr.on('data', (bytes: Buffer) => step.log.write(bytes));
  const kill = () => child.kill('SIGKILL');
  step.signal.addEventListener('abort', kill);
  const [code] = await once(child, 'close');
  step.signal.removeEventListener('abort', kill);
  step.signal.throwIfAborted();
  const file = join(machine, 'outputs', String(step.index), 'output');
  const output = await readFile(file).catch(() => Buffer.alloc(0));
  return { exitCode: code ?? 137, output };
}

function environment(env: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}
