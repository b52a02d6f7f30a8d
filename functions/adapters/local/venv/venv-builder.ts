import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import type { BuildProgress, DependencySpec, ImageBuilder } from '../../../ports/image-builder.ts';
import type { Log } from '../../../ports/runtime.ts';
import { orAbsent, replaceFile, writeSynced } from '../durable-file.ts';
import { readPiece } from '../process/attempt-log.ts';
import { runBound } from './bound-process.ts';
import { type BuildFailure, explainBuildLog } from './pip-failure.ts';
import { buildEnvironment, type VenvSources, wantedVenv } from './venv-plan.ts';

/** What the builder of virtualenvs needs. */
export interface VenvBuilderOptions extends VenvSources {
  /** Where virtualenvs are kept, each in a directory named by its key, for good. */
  readonly dir: string;
  readonly log: Log;
  /** Default one hour. */
  readonly timeoutMs?: number;
}

/** Makes virtualenvs in place of images. */
export interface VenvBuilder extends ImageBuilder {
  venvDir(key: string): string;
  /** Ends running builds. */
  close(): Promise<void>;
}

const LOG_PIECE_BYTES = 64 * 1024;
const SYNC = 'import os; os.sync()';

interface Build {
  readonly attempt: number;
  readonly cancel: AbortController;
  progress: BuildProgress;
  done: Promise<void>;
}

/**
 * A builder of virtualenvs, which cannot be moved: each is made where it stays, and counts only once its file `ready` is
 * there. Builds end with the service; one that was lost is `absent`.
 */
export function createVenvBuilder(options: VenvBuilderOptions): VenvBuilder {
  const builds = new Map<string, Build>();
  const venvDir = (key: string) => join(options.dir, key);
  const isReady = async (key: string) =>
    (await orAbsent(stat(join(venvDir(key), 'ready')))) !== null;

  async function run(build: Build, key: string, dependencies: DependencySpec): Promise<void> {
    try {
      const deadline = AbortSignal.timeout(options.timeoutMs ?? 3_600_000);
      const signal = AbortSignal.any([build.cancel.signal, deadline]);
      const failure = await buildVenv(options, { key, dependencies, signal });
      build.progress = failure === null ? { state: 'ready' } : { state: 'failed', ...failure };
    } catch (error) {
      build.progress = { state: 'failed', ...thrownFailure(error, build.cancel.signal.aborted) };
    }
    if (build.progress.state === 'failed') {
      await rm(venvDir(key), { recursive: true, force: true });
    }
  }

  async function endBuild(build: Build): Promise<void> {
    build.cancel.abort();
    await build.done;
  }

  return {
    venvDir,
    plan: async (dependencies) => {
      const wanted = await wantedVenv(dependencies, options);
      if (wanted === null) return null;
      return { key: wanted.key, ready: await isReady(wanted.key), image: null };
    },
    start: async ({ key, attempt, dependencies }) => {
      const ready = await isReady(key);
      const earlier = builds.get(key);
      if (ready || (earlier !== undefined && earlier.attempt >= attempt)) return;
      const build: Build = {
        attempt,
        cancel: new AbortController(),
        progress: { state: 'building' },
        done: Promise.resolve(),
      };
      builds.set(key, build);
      const before = earlier === undefined ? Promise.resolve() : endBuild(earlier);
      build.done = before
        .then(() => run(build, key, dependencies))
        .catch((error: unknown) => options.log.error({ err: error, key }, 'a build left files'));
    },
    poll: async (key, attempt) => {
      const build = builds.get(key);
      if (build?.attempt === attempt && build.progress.state !== 'ready') return build.progress;
      return (await isReady(key)) ? { state: 'ready' } : { state: 'absent' };
    },
    cancel: async (key, attempt) => {
      const build = builds.get(key);
      if (build?.attempt === attempt) await endBuild(build);
    },
    readLog: async (key, offset) => {
      const complete = builds.get(key)?.progress.state !== 'building';
      const limits = { maxBytes: LOG_PIECE_BYTES, complete };
      const { text, next } = await readPiece(logPath(options.dir, key), offset, limits);
      return { text, next };
    },
    close: async () => {
      for (const build of builds.values()) await endBuild(build);
    },
  };
}

async function buildVenv(
  options: VenvBuilderOptions,
  build: {
    readonly key: string;
    readonly dependencies: DependencySpec;
    readonly signal: AbortSignal;
  },
): Promise<BuildFailure | null> {
  const { key, signal } = build;
  const wanted = await wantedVenv(build.dependencies, options);
  if (wanted?.key !== key) return CHANGED;
  const venv = join(options.dir, key);
  await rm(venv, { recursive: true, force: true });
  await mkdir(options.dir, { recursive: true });
  const { python } = wanted.interpreter;
  const requirements = join(venv, 'requirements.txt');
  const install = ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check'];
  const output = await open(logPath(options.dir, key), 'w');
  try {
    const env = buildEnvironment(options.environment);
    const succeeds = async (argv: readonly string[]) => {
      await output.write(`$ ${argv.join(' ')}\n`);
      const cwd = options.dir;
      return (await runBound(argv, { cwd, env, output: output.fd, signal })) === 0;
    };
    const isMade = await succeeds([python, '-m', 'venv', venv]);
    if (isMade) await writeSynced(requirements, wanted.requirements);
    const venvPython = join(venv, 'bin', 'python');
    const isBuilt =
      isMade &&
      (await succeeds([venvPython, ...install, '-r', requirements])) &&
      (await succeeds([venvPython, '-c', SYNC]));
    if (!isBuilt) return explainBuildLog(await logTail(options.dir, key));
  } finally {
    await output.close();
  }
  await replaceFile(join(venv, 'ready'), '');
  return null;
}

const CHANGED: BuildFailure = {
  message: 'The Python or the pip settings of this machine changed before the build began.',
  hint: 'Submit again.',
  retryable: false,
};

function thrownFailure(error: unknown, isCancelled: boolean): BuildFailure {
  if (isCancelled) return { message: 'The build was cancelled.', hint: null, retryable: true };
  const message = error instanceof Error ? error.message : String(error);
  const hint = isAppError(error) ? (error.hint ?? null) : null;
  return { message: `The build was not finished: ${message}`, hint, retryable: !isAppError(error) };
}

function logPath(dir: string, key: string): string {
  return join(dir, `${key}.log`);
}

async function logTail(dir: string, key: string): Promise<string> {
  const path = logPath(dir, key);
  const { size } = await stat(path);
  const from = Math.max(0, size - LOG_PIECE_BYTES);
  return (await readPiece(path, from, { maxBytes: LOG_PIECE_BYTES, complete: true })).text;
}
