import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageBuilder } from '../../../ports/image-builder.ts';
import type { Clock, Log } from '../../../ports/runtime.ts';
import { type BuildFailure, changedSincePlanned } from '../../images/build-failure.ts';
import { buildLogPath, buildLogTail, withBuildLog } from '../builds/build-log.ts';
import { type BuildTask, createBuildTable } from '../builds/build-table.ts';
import { orAbsent, replaceFile, writeSynced } from '../durable-file.ts';
import { explainBuildLog } from './pip-failure.ts';
import { buildEnvironment, type VenvSources, wantedVenv } from './venv-plan.ts';

/** What the builder of virtualenvs needs. */
export interface VenvBuilderOptions extends VenvSources {
  /** Where virtualenvs are kept, each in a directory named by its key, for good. */
  readonly dir: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Default one hour. */
  readonly timeoutMs?: number;
}

/** Makes virtualenvs in place of images. */
export interface VenvBuilder extends ImageBuilder {
  venvDir(key: string): string;
  /** Ends running builds. */
  close(): Promise<void>;
}

const SYNC = 'import os; os.sync()';

/**
 * A builder of virtualenvs, which cannot be moved: each is made where it stays, and counts only once its file `ready` is
 * there. Builds end with the service; one that was lost is `absent`.
 */
export function createVenvBuilder(options: VenvBuilderOptions): VenvBuilder {
  const venvDir = (key: string) => join(options.dir, key);
  const isReady = async (key: string) =>
    (await orAbsent(stat(join(venvDir(key), 'ready')))) !== null;
  const table = createBuildTable({
    ...options,
    isReady,
    build: (task) => buildVenv(options, task),
    discard: (key) => rm(venvDir(key), { recursive: true, force: true }),
  });
  return {
    ...table,
    venvDir,
    plan: async (dependencies) => {
      const wanted = await wantedVenv(dependencies, options);
      if (wanted === null) return null;
      return { key: wanted.key, ready: await isReady(wanted.key), image: null };
    },
  };
}

async function buildVenv(
  options: VenvBuilderOptions,
  { key, dependencies, signal }: BuildTask,
): Promise<BuildFailure | null> {
  const wanted = await wantedVenv(dependencies, options);
  if (wanted?.key !== key) {
    return changedSincePlanned('The Python or the pip settings of this machine');
  }
  const venv = join(options.dir, key);
  await rm(venv, { recursive: true, force: true });
  const { python } = wanted.interpreter;
  const requirements = join(venv, 'requirements.txt');
  const install = ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check'];
  const path = buildLogPath(options.dir, key);
  const env = buildEnvironment(options.environment);
  const isBuilt = await withBuildLog({ path, cwd: options.dir, env, signal }, async (shell) => {
    const isMade = await shell.succeeds([python, '-m', 'venv', venv]);
    if (isMade) await writeSynced(requirements, wanted.requirements);
    const venvPython = join(venv, 'bin', 'python');
    return (
      isMade &&
      (await shell.succeeds([venvPython, ...install, '-r', requirements])) &&
      (await shell.succeeds([venvPython, '-c', SYNC]))
    );
  });
  if (!isBuilt) return explainBuildLog(await buildLogTail(path));
  await replaceFile(join(venv, 'ready'), '');
  return null;
}
