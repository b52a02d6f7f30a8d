import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as z from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import { hostBusy, troubleOf } from '../../ports/host-trouble.ts';
import { once } from './once.ts';

/** A Python that can run jobs and make virtualenvs. */
export interface Interpreter {
  /** Absolute path. */
  readonly python: string;
  /** As in `3.11.7`. */
  readonly version: string;
  /** As in `cpython`. */
  readonly implementation: string;
}

const OLDEST = [3, 8] as const;
const PROBE_TIMEOUT_MS = 20_000;
const PROBE =
  'import json, sys; print(json.dumps(["%d.%d.%d" % sys.version_info[:3], sys.executable, sys.implementation.name]))';
const answerSchema = z.tuple([z.string(), z.string().startsWith('/'), z.string()]);

/**
 * Finds this machine's interpreter: `python3`, then `python`, on the given search path. Once found it is remembered; while
 * there is none every call looks again. Throws AppErrors PYTHON_MISSING, HOST_BUSY.
 */
export function createInterpreterResolver(options: {
  readonly path: string | undefined;
}): () => Promise<Interpreter> {
  return once(() => findInterpreter(options.path ?? '/usr/local/bin:/usr/bin:/bin'));
}

async function findInterpreter(path: string): Promise<Interpreter> {
  const tooOld: string[] = [];
  for (const name of ['python3', 'python']) {
    const interpreter = await probe(name, path);
    if (interpreter === null) continue;
    if (isRecent(interpreter.version)) return interpreter;
    tooOld.push(`${interpreter.python} is ${interpreter.version}`);
  }
  const found = tooOld.length === 0 ? 'neither python3 nor python works' : tooOld.join(', ');
  throw new AppError(
    'PYTHON_MISSING',
    `No Python ${OLDEST.join('.')} or newer on this machine's PATH: ${found}.`,
    {
      hint: 'Debian and Ubuntu: apt-get install python3 python3-venv. macOS: xcode-select --install, or brew install python.',
      context: { path },
    },
  );
}

async function probe(name: string, path: string): Promise<Interpreter | null> {
  try {
    const { stdout } = await promisify(execFile)(name, ['-I', '-c', PROBE], {
      env: { PATH: path },
      timeout: PROBE_TIMEOUT_MS,
    });
    const [version, python, implementation] = answerSchema.parse(JSON.parse(stdout));
    return { python, version, implementation };
  } catch (error) {
    if (troubleOf(error) === 'scarce') throw hostBusy(error);
    return null; // not there, or not a Python 3 (macOS has a placeholder that only asks to install one)
  }
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}
