import { resolve } from 'node:path';
import type { ServeOptions } from '../../functions/embedded.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Context } from '../lib/context.ts';
import { type EnvironmentName, expandHome, variable } from '../lib/env.ts';
import type { OptionValues } from '../lib/option-values.ts';
import type { FoundServe } from '../lib/serve-file.ts';
import {
  checkedCpus,
  checkedIndexUrl,
  checkedMemory,
  checkedPlatform,
  checkedToken,
  logLevel,
} from './serve-values.ts';

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
      indexUrl: checkedIndexUrl(orVariable('index_url', 'CALIBAN_INDEX_URL')),
    },
    idleMinutes: options.integer('idle_minutes', { min: 1, max: 1_000_000 }) ?? null,
    logLevel: logLevel(options.text('log_level') ?? variable(io.env, 'CALIBAN_LOG_LEVEL')),
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
  'log_level',
];
/** Refuses flags beside one that starts nothing. Throws USAGE. */
export function refuseUnusedFlags(options: OptionValues): void {
  const only = ['status', 'stop'].find((name) => options.isSet(name));
  if (only === undefined) return;
  const others = [...HANDED_ON, 'index_url', 'token', 'detach', 'stop']
    .filter((name) => name !== only && options.isSet(name))
    .map((name) => `--${name}`)
    .join(', ');
  if (others === '') return;
  throw new AppError('USAGE', `--${only} starts no service: ${others} would have no effect.`, {
    hint: `Leave out ${others}, or start one with it after: caliban serve --stop`,
  });
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
