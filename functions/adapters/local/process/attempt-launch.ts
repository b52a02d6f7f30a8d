import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import type { PlatformJob } from '../../../ports/platform.ts';
import type { AttemptFiles } from '../attempts/attempt-files.ts';
import { refOf } from '../attempts/attempt-files.ts';
import {
  type Environment,
  interpreterDirectory,
  jobEnvironment,
} from '../attempts/job-environment.ts';
import type { Spawner, Started } from './spawner.ts';
import type { Workspaces } from './workspaces.ts';

/** What starting a program needs. */
export interface LaunchOptions {
  readonly files: AttemptFiles;
  readonly workspaces: Workspaces;
  readonly spawner: Pick<Spawner, 'start'>;
  readonly supervisor: string;
  readonly binDir: string;
  /** The boot that the machine is in. */
  readonly bootId: string;
  readonly environment: Environment;
  readonly interpreter: () => Promise<{ readonly python: string }>;
  readonly venvDir: (key: string) => string;
}

/** Starts a job's supervisor, unless `mayStill` says no once all is prepared. */
export type Launch = (job: PlatformJob, mayStill: () => boolean) => Promise<Started | null>;

/** Whether the job's first word stands for the interpreter that the platform chose. */
export function isPythonCommand(job: Pick<PlatformJob, 'command'>): boolean {
  return job.command[0] === 'python' || job.command[0] === 'python3';
}

/** A launcher that resolves the interpreter once. */
export function createLaunch(options: LaunchOptions): Launch {
  let systemPython: Promise<Python> | undefined;

  async function findSystemPython(): Promise<Python> {
    const { python } = await options.interpreter();
    return { python, binDir: await interpreterDirectory(options.binDir, python), venv: null };
  }

  async function pythonFor(job: PlatformJob): Promise<Python | null> {
    const key = job.run.kind === 'workspace' ? job.run.venvKey : null;
    if (key !== null) return virtualenvAt(options.venvDir(key));
    try {
      systemPython ??= findSystemPython();
      return await systemPython;
    } catch (error) {
      systemPython = undefined;
      // A shell script may do without Python.
      if (isAppError(error, 'PYTHON_MISSING') && !isPythonCommand(job)) return null;
      throw error;
    }
  }

  return async (job, mayStill) => {
    const ref = refOf(job);
    const directory = options.files.directory(ref);
    const work = join(directory, 'work');
    const layers = job.run.kind === 'workspace' ? job.run.layers : [];
    const python = await pythonFor(job);
    // After a power cut the supervisor's own word may be gone: by this one no program is ever started a second time.
    const launch = options.files.markLaunch(ref, options.bootId);
    await Promise.all([options.workspaces.prepare(layers, work), launch]);
    if (!mayStill()) return null;
    const words = [...job.command, ...job.args];
    if (python !== null && isPythonCommand(job)) words[0] = python.python;
    // The leader of a session and process group of its own: it outlives this process.
    return options.spawner.start({
      file: '/bin/sh',
      args: [options.supervisor, directory, ...words],
      cwd: work,
      env: jobEnvironment(options.environment, job, python ?? { binDir: null, venv: null }),
    });
  };
}

interface Python {
  readonly python: string;
  readonly binDir: string;
  readonly venv: string | null;
}

async function virtualenvAt(venv: string): Promise<Python> {
  const binDir = join(venv, 'bin');
  const python = join(binDir, 'python');
  try {
    await access(python);
  } catch (cause) {
    throw new Error(`its virtualenv ${venv} is gone; submit again to have it built`, { cause });
  }
  return { python, binDir, venv };
}
