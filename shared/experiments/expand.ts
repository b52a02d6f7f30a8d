import { AppError } from '../errors/app-error.ts';
import { valueIn } from './config-dimension.ts';
import type { ExperimentConfig, Sweep } from './config-model.ts';
import type { JsonValue } from './json-value.ts';

/** One flag of an experiment: its name without dashes, and its value (never null or an object). */
export type Flag = readonly [name: string, value: JsonValue];

/** One point of a sweep: its flags in the order of the file, each name once. */
export type Experiment = readonly Flag[];

/**
 * The experiment with this index (from 0) in the documented order: sweeps as listed, and in a sweep the
 * first key slowest, the last fastest. Computed directly, whatever the index. Throws RangeError outside
 * of 0 to count - 1.
 */
export function experimentAt(config: ExperimentConfig, index: number | bigint): Experiment {
  const { sweep, digits } = locate(config, BigInt(index));
  return pointOf(sweep, digits);
}

/** All experiments from index `from` on, in the documented order, one at a time in constant memory. */
export function* experiments(
  config: ExperimentConfig,
  from: number | bigint = 0,
): Generator<Experiment, void> {
  if (BigInt(from) >= config.count) return;
  const start = locate(config, BigInt(from));
  yield* pointsFrom(start.sweep, start.digits);
  for (let next = start.number + 1; next < config.sweeps.length; next++) {
    const sweep = config.sweeps[next];
    if (sweep && sweep.count > 0n)
      yield* pointsFrom(
        sweep,
        sweep.dimensions.map(() => 0),
      );
  }
}

/** The number of experiments, at most `limit`; throws LIMIT_EXCEEDED when the config has more. */
export function countWithin(config: ExperimentConfig, limit: number): number {
  if (config.count <= BigInt(limit)) return Number(config.count);
  const count =
    config.count < LONGEST_SHOWN_COUNT ? `${config.count}` : `more than ${LONGEST_SHOWN_COUNT}`;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `The experiment config stands for ${count} experiments; the limit is ${limit}.`,
    {
      hint: 'Shorten its lists, or split it into several configs.',
      context: { count, limit },
    },
  );
}

const LONGEST_SHOWN_COUNT = 10n ** 18n;

interface Location {
  readonly sweep: Sweep;
  /** Which sweep it is. */
  readonly number: number;
  /** The row of each dimension. */
  readonly digits: readonly number[];
}

function locate(config: ExperimentConfig, index: bigint): Location {
  if (index < 0n || index >= config.count) {
    throw new RangeError(`experiment ${index} of a config with ${config.count}`);
  }
  const number = sweepOf(config.starts, index);
  const sweep = present(config.sweeps[number]);
  return { sweep, number, digits: digitsOf(sweep, index - present(config.starts[number])) };
}

/** The last sweep that starts at or before the index: sweeps without experiments start where the next does. */
function sweepOf(starts: readonly bigint[], index: bigint): number {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (present(starts[middle]) <= index) low = middle;
    else high = middle;
  }
  return low;
}

function digitsOf(sweep: Sweep, index: bigint): number[] {
  let rest = index;
  return sweep.dimensions
    .toReversed()
    .map(({ rows }) => {
      const size = BigInt(rows.length);
      const digit = Number(rest % size);
      rest /= size;
      return digit;
    })
    .reverse();
}

function* pointsFrom(sweep: Sweep, start: readonly number[]): Generator<Experiment, void> {
  const digits = Array.from(start);
  do yield pointOf(sweep, digits);
  while (advance(sweep, digits));
}

/** Moves to the next point, the last dimension fastest; false after the last point. */
function advance(sweep: Sweep, digits: number[]): boolean {
  for (let place = digits.length - 1; place >= 0; place--) {
    const digit = present(digits[place]) + 1;
    if (digit < present(sweep.dimensions[place]).rows.length) {
      digits[place] = digit;
      return true;
    }
    digits[place] = 0;
  }
  return false;
}

function pointOf(sweep: Sweep, digits: readonly number[]): Experiment {
  return sweep.flags.map(({ name, dimension, column }) => [
    name,
    valueIn(present(sweep.dimensions[dimension]), present(digits[dimension]), column),
  ]);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError('index outside of the config');
  return value;
}
