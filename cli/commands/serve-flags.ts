import type { ServeOptions } from '../../functions/embedded.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';
import { LOG_LEVELS, type LogLevel } from '../../shared/operating/log-level.ts';
import type { Context } from '../lib/context.ts';
import { variable } from '../lib/env.ts';
import type { OptionValues } from '../lib/option-values.ts';
import type { FoundServe } from '../lib/serve-file.ts';

const MIN_TOKEN_LENGTH = 20;

/** The flags of `serve`, checked. Throws USAGE. */
export function readServeFlags({
  io,
  options,
  dataDir,
}: Context): Omit<ServeOptions, 'log' | 'signal'> {
  return {
    dataDir,
    host: options.text('host') ?? '127.0.0.1',
    port: options.integer('port', { min: 0, max: 65_535 }) ?? 0,
    platform: options.text('platform') === 'process' ? 'process' : null,
    slots: options.integer('slots', { min: 1, max: 10_000 }) ?? null,
    idleMinutes: options.integer('idle_minutes', { min: 1, max: 1_000_000 }) ?? null,
    logLevel: logLevel(options.text('log_level') ?? variable(io.env, 'CALIBAN_LOG_LEVEL')),
    token:
      checkedToken('--token', options.text('token')) ??
      checkedToken('CALIBAN_SERVE_TOKEN', variable(io.env, 'CALIBAN_SERVE_TOKEN')) ??
      null,
  };
}

// A flag's value was checked where it was read.
function logLevel(given: string | undefined): LogLevel {
  if (given === undefined) return 'info';
  const level = LOG_LEVELS.find((each) => each === given);
  if (level !== undefined) return level;
  const near = didYouMean(given, LOG_LEVELS);
  throw new AppError('USAGE', `CALIBAN_LOG_LEVEL cannot be ${given}.`, {
    hint: near === undefined ? `It can be: ${LOG_LEVELS.join(', ')}.` : `Did you mean ${near}?`,
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
  const others = ['host', 'port', 'platform', 'slots', 'log_level', 'token'].filter((name) => {
    const given = options.text(name);
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
