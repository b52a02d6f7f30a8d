import { execFile } from 'node:child_process';
import { access, constants, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import { type Environment, inheritedEnvironment } from '../../attempts/job-environment.ts';
import { once } from '../../once.ts';

/** A `docker` program that can build. */
export interface DockerCli {
  /** Absolute path. */
  readonly program: string;
  /** The environment to run it in: the engine that it talks to, and how it builds. */
  readonly env: Readonly<Record<string, string>>;
}

/** Finds the `docker` to use. Throws AppError DOCKER_UNUSABLE. */
export type FindDockerCli = () => Promise<DockerCli>;

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';
const PROBE_TIMEOUT_MS = 20_000;
const PROBE = 'FROM scratch\nCOPY Dockerfile /\n';
// The user's logins and certificates; not the context: `host` names the engine.
const DOCKER_VARIABLE =
  /^(?:DOCKER_(?:CONFIG|CERT_PATH|TLS|TLS_VERIFY|API_VERSION)|SSH_AUTH_SOCK)$/;

/**
 * Finds the first `docker` on the environment's PATH that builds with BuildKit, proved by a tiny build. Newer ones need the
 * buildx plugin for it and may stand before an older one that does not. Once found it is remembered; while there is none
 * every call looks again. `host` is the engine's address, as in DOCKER_HOST.
 */
export function createDockerCliFinder(options: {
  readonly environment: Environment;
  readonly host: string;
}): FindDockerCli {
  return once(() => findDockerCli(options.environment, options.host));
}

async function findDockerCli(environment: Environment, host: string): Promise<DockerCli> {
  const env = dockerEnvironment(environment, host);
  const refusals: string[] = [];
  for (const program of await candidates(env['PATH'] ?? DEFAULT_PATH)) {
    const refusal = await probe({ program, env });
    if (refusal === null) return { program, env };
    refusals.push(`${program}: ${refusal}`);
  }
  const said =
    refusals.length === 0 ? 'there is no program docker on the PATH.' : refusals.join('; ');
  throw new AppError('DOCKER_UNUSABLE', `No docker program here can build images: ${said}`, {
    hint: "Install Docker's buildx plugin (Debian and Ubuntu: docker-buildx or docker-buildx-plugin).",
    context: { path: env['PATH'] },
  });
}

function dockerEnvironment(environment: Environment, host: string): Record<string, string> {
  const env = inheritedEnvironment(environment);
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && DOCKER_VARIABLE.test(name)) env[name] = value;
  }
  return {
    ...env,
    DOCKER_HOST: host,
    DOCKER_BUILDKIT: '1',
    // buildx: into the engine's own store, and nothing about this machine beside the image.
    BUILDX_BUILDER: 'default',
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
  };
}

async function candidates(path: string): Promise<string[]> {
  const found = new Map<string, string>();
  for (const dir of path.split(delimiter)) {
    if (!dir.startsWith('/')) continue;
    const program = join(dir, 'docker');
    const real = await executable(program);
    if (real !== null && !found.has(real)) found.set(real, program);
  }
  return [...found.values()];
}

async function executable(program: string): Promise<string | null> {
  try {
    await access(program, constants.X_OK);
    return await realpath(program);
  } catch {
    return null; // not there, or not for us
  }
}

/** What keeps a program from building; null: nothing. */
async function probe({ program, env }: DockerCli): Promise<string | null> {
  const dir = await mkdtemp(join(tmpdir(), 'caliban-docker-'));
  try {
    await writeFile(join(dir, 'Dockerfile'), PROBE);
    const output = `type=local,dest=${join(dir, 'out')}`;
    const args = ['build', '--progress=plain', '--output', output, dir];
    await promisify(execFile)(program, args, { env, timeout: PROBE_TIMEOUT_MS });
    const copy = await readFile(join(dir, 'out', 'Dockerfile'), 'utf8').catch(() => null);
    return copy === PROBE ? null : 'it built nothing.';
  } catch (error) {
    return refusalOf(error);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function refusalOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('killed' in error && error.killed === true) {
    return `it did not end within ${PROBE_TIMEOUT_MS / 1000} s.`;
  }
  const output = 'stderr' in error ? String(error.stderr) : '';
  const lines = output.split('\n').filter((line) => /\S/.test(line) && !line.startsWith('#'));
  return lines[0]?.trim() ?? error.message;
}
