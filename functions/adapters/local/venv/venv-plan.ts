import { createHash } from 'node:crypto';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { needsImages, WITHOUT_IMAGES_HINT } from '../../../../shared/image/needs-images.ts';
import type { DependencySpec } from '../../../ports/image-builder.ts';
import { type Environment, inheritedEnvironment } from '../attempts/job-environment.ts';
import type { Interpreter } from '../python.ts';

/** What a virtualenv follows from. */
export interface VenvSources {
  /** Throws AppError PYTHON_MISSING. */
  readonly interpreter: () => Promise<Interpreter>;
  readonly readLayerFile: (
    diffId: string,
    path: string,
    maxBytes: number,
  ) => Promise<Uint8Array | undefined>;
  /** The service's environment: `PIP_*`, proxies and certificates reach pip. */
  readonly environment: Environment;
}

const MAX_REQUIREMENTS_BYTES = 1024 * 1024;
// These would put packages elsewhere than into the virtualenv.
const MISLEADING_PIP = /^PIP_(TARGET|PREFIX|ROOT|USER|PYTHON|REQUIREMENT|DRY_RUN)$/;

/** A virtualenv to make. */
export interface WantedVenv {
  readonly key: string;
  readonly requirements: Uint8Array;
  readonly interpreter: Interpreter;
}

/**
 * What these dependencies ask for; null when there is nothing to install. Throws AppError PLATFORM_UNSUPPORTED for what needs a
 * container, PYTHON_MISSING, BUILD_FAILED.
 */
export async function wantedVenv(
  dependencies: DependencySpec,
  options: VenvSources,
): Promise<WantedVenv | null> {
  refuseUnusable(dependencies);
  const { layer, requirements: path } = dependencies;
  if (dependencies.python === null && path === null) return null;
  const interpreter = await options.interpreter();
  refuseOtherPython(dependencies.python, interpreter);
  if (path === null) return null;
  const requirements =
    layer === null ? undefined : await options.readLayerFile(layer, path, MAX_REQUIREMENTS_BYTES);
  if (requirements === undefined) {
    throw new AppError('BUILD_FAILED', `${path} is not among the dependency files.`, {
      hint: 'Submit again; the file has to exist when the code is packed.',
    });
  }
  return { key: keyOf(interpreter, requirements, options.environment), requirements, interpreter };
}

function keyOf(interpreter: Interpreter, requirements: Uint8Array, env: Environment): string {
  const { python, version, implementation } = interpreter;
  const pip = Object.entries(pipSettings(env)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const digest = createHash('sha256').update(requirements).digest('hex');
  const machine = [process.platform, process.arch];
  const parts = ['venv-1', python, version, implementation, ...machine, digest, pip];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function refuseUnusable(dependencies: DependencySpec): void {
  const unusable = needsImages(dependencies);
  if (unusable.length === 0) return;
  throw new AppError(
    'PLATFORM_UNSUPPORTED',
    `Plain processes of this machine cannot provide ${unusable.join(' and ')}.`,
    { hint: WITHOUT_IMAGES_HINT },
  );
}

function refuseOtherPython(wanted: string | null, { version, python }: Interpreter): void {
  if (wanted === null || version === wanted || version.startsWith(`${wanted}.`)) return;
  throw new AppError(
    'PLATFORM_UNSUPPORTED',
    `Python ${wanted} is asked for; without Docker this machine has ${version} (${python}).`,
    { hint: 'Put that Python first on the PATH of the service, or ask for another version.' },
  );
}

function pipSettings(environment: Environment): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    const isKept = name.startsWith('PIP_') && !MISLEADING_PIP.test(name);
    if (isKept && value !== undefined) settings[name] = value;
  }
  return settings;
}

/** The environment of `venv` and `pip`. */
export function buildEnvironment(environment: Environment): Record<string, string> {
  return { ...inheritedEnvironment(environment), ...pipSettings(environment), PIP_USER: '0' };
}
