import { AppError } from '../../shared/errors/app-error.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';
import { indexUrlProblem } from '../../shared/image/index-url.ts';
import { LOG_LEVELS, type LogLevel } from '../../shared/operating/log-level.ts';

const MIN_TOKEN_LENGTH = 20;
// Docker takes no less.
const LEAST_MEMORY = 6 * 1024 ** 2;
const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** A platform by name. Throws USAGE. */
export function checkedPlatform(given: string | null): 'docker' | 'process' | null {
  if (given === null || given === 'docker' || given === 'process') return given;
  throw new AppError('USAGE', `CALIBAN_PLATFORM is ${given}; there are docker and process.`);
}

/** A number of processors, as in `0.5`. Throws USAGE. */
export function checkedCpus(given: string | undefined): number | null {
  if (given === undefined) return null;
  const cpus = /^\d{1,4}(\.\d{1,2})?$/.test(given) ? Number(given) : 0;
  if (cpus >= 0.01) return cpus;
  throw new AppError('USAGE', `--job_cpus ${given} is no number of processors from 0.01 on.`, {
    hint: 'At most as many as the machine has, with at most two decimals, as in 2 or 0.5.',
  });
}

/** A size in bytes, as in `512m`. Throws USAGE. */
export function checkedMemory(given: string | undefined): number | null {
  if (given === undefined) return null;
  const [, digits, unit = 'b'] = /^(\d{1,13})([bkmg])?$/i.exec(given) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
  if (bytes >= LEAST_MEMORY && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  throw new AppError('USAGE', `--job_memory ${given} is no size that a job can have.`, {
    hint: 'A whole number and its unit: b, k, m or g. At least 6m, at most what the machine has, as in 512m or 8g.',
  });
}

/** The address of a package index, whose secrets are never repeated in a message. Throws USAGE. */
export function checkedIndexUrl(given: string | null): string | null {
  const problem = given === null ? null : indexUrlProblem(given);
  if (problem === null) return given;
  throw new AppError('USAGE', `--index_url ${problem.message}`, { hint: problem.hint });
}

/** The level of the log, info by default. Throws USAGE. */
export function logLevel(given: string | undefined): LogLevel {
  if (given === undefined) return 'info';
  const level = LOG_LEVELS.find((each) => each === given);
  if (level !== undefined) return level;
  const near = didYouMean(given, LOG_LEVELS);
  throw new AppError('USAGE', `CALIBAN_LOG_LEVEL cannot be ${given}.`, {
    hint: near === undefined ? `It can be: ${LOG_LEVELS.join(', ')}.` : `Did you mean ${near}?`,
  });
}

/** A token that can be sent and not guessed. Throws USAGE. */
export function checkedToken(givenBy: string, token: string | undefined): string | undefined {
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
