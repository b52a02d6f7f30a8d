import { resolve } from 'node:path';
import type { ServeOptions } from '../../functions/embedded.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Context } from '../lib/context.ts';
import { type EnvironmentName, expandHome, variable } from '../lib/env.ts';
import type { OptionValues } from '../lib/option-values.ts';
import type { FoundServe } from '../lib/serve-file.ts';

const MIN_TOKEN_LENGTH = 20;

/** The flags of `serve`, checked. Throws USAGE. */
export function readServeFlags({
  io,
  options,
  dataDir,
}: Context): Omit<ServeOptions, 'log' | 'signal'> {
  const orVariable = (flag: string, name: EnvironmentName) =>
    options.text(flag) ?? variable(io.env, name) ?? null;
  const caBundle = orVariable('ca_bundle', 'CALIBAN_CA_BUNDLE');
  return {
    dataDir,
    host: options.text('host') ?? '127.0.0.1',
    port: options.integer('port', { min: 0, max: 65_535 }) ?? 0,
    platform: checkedPlatform(orVariable('platform', 'CALIBAN_PLATFORM')),
    slots: options.integer('slots', { min: 1, max: 10_000 }) ?? null,
    // What the environment says is a default for whatever platform there is; what is typed is meant.
    onlyDocker: ONLY_DOCKER.filter((name) => options.isSet(name)).map((name) => `--${name}`),
    limits: {
      cpus: checkedCpus(options.text('job_cpus')),
      memoryBytes: checkedMemory(options.text('job_memory')),
    },
    builds: {
      baseImage: orVariable('base_image', 'CALIBAN_BASE_IMAGE'),
      caBundle: caBundle === null ? null : resolve(io.cwd, expandHome(caBundle, io.home)),
      indexUrl: checkedUrl(orVariable('index_url', 'CALIBAN_INDEX_URL')),
    },
    idleMinutes: options.integer('idle_minutes', { min: 1, max: 1_000_000 }) ?? null,
    token:
      checkedToken('--token', options.text('token')) ??
      checkedToken('CALIBAN_SERVE_TOKEN', variable(io.env, 'CALIBAN_SERVE_TOKEN')) ??
      null,
  };
}

const ONLY_DOCKER = ['job_cpus', 'job_memory', 'base_image'];
/** Flags that whoever starts a detached service hands on as they are. */
export const HANDED_ON = [
  'host',
  'port',
  'platform',
  'slots',
  'idle_minutes',
  'job_cpus',
  'job_memory',
  'base_image',
  'ca_bundle',
];
// Docker takes no less.
const LEAST_MEMORY = 6 * 1024 ** 2;
const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

function checkedPlatform(given: string | null): 'docker' | 'process' | null {
  if (given === null || given === 'docker' || given === 'process') return given;
  throw new AppError('USAGE', `CALIBAN_PLATFORM is ${given}; there are docker and process.`);
}

function checkedCpus(given: string | undefined): number | null {
  if (given === undefined) return null;
  const cpus = /^\d{1,4}(\.\d{1,2})?$/.test(given) ? Number(given) : 0;
  if (cpus >= 0.01) return cpus;
  throw new AppError('USAGE', `--job_cpus ${given} is no number of processors from 0.01 on.`, {
    hint: 'For example: --job_cpus 2, or --job_cpus 0.5',
  });
}

function checkedMemory(given: string | undefined): number | null {
  if (given === undefined) return null;
  const [, digits, unit = 'b'] = /^(\d{1,13})([bkmg])?$/i.exec(given) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
  if (bytes >= LEAST_MEMORY && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  throw new AppError('USAGE', `--job_memory ${given} is no size from 6m on.`, {
    hint: 'For example: --job_memory 512m, or --job_memory 8g',
  });
}

function checkedUrl(given: string | null): string | null {
  if (given === null) return null;
  if (/^https?:\/\/[!-~]+$/.test(given) && URL.canParse(given)) return given;
  // It may hold a password: it is not repeated.
  throw new AppError('USAGE', '--index_url is no http or https address.', {
    hint: 'For example: --index_url https://packages.example/simple',
  });
}

function checkedToken(givenBy: string, token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  const hint = 'For example: openssl rand -hex 24';
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw new AppError('USAGE', `${givenBy} has characters that no token may have.`, { hint });
  }
  if (token.length >= MIN_TOKEN_LENGTH) return token;
  const characters = token.length === 1 ? '1 character' : `${token.length} characters`;
  throw new AppError(
    'USAGE',
    `${givenBy} has ${characters}; at least ${MIN_TOKEN_LENGTH} are needed.`,
    { hint },
  );
}

/** Refuses flags that the service that runs already does not have, or not for sure. Throws SERVICE_LOCKED. */
export function refuseOtherFlags(options: OptionValues, running: FoundServe): void {
  const { hostname, port } = new URL(running.address);
  const known = new Map([
    ['host', hostname],
    ['port', port],
    ['token', running.token],
  ]);
  const others = [...HANDED_ON, 'index_url', 'token'].filter((name) => {
    const given = name === 'idle_minutes' ? undefined : options.text(name);
    return given !== undefined && given !== known.get(name);
  });
  if (others.length > 0) throw alreadyRuns(running, others);
}

/** The refusal of a second service; `others`: flags that the first one may not have. */
export function alreadyRuns(
  { address, pid }: FoundServe,
  others: readonly string[] = [],
  cause?: unknown,
): AppError {
  const flags = others.map((name) => `--${name}`).join(', ');
  return new AppError(
    'SERVICE_LOCKED',
    `A service runs already at ${address} (process ${pid}); stop it first: caliban serve --stop`,
    {
      ...(flags === '' ? {} : { hint: `It was not, or not surely, started with this ${flags}.` }),
      cause,
    },
  );
}
