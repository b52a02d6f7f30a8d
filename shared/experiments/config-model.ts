import {
  badValue,
  type Dimension,
  isRefused,
  type ReadDimension,
  readDimension,
  valueIn,
} from './config-dimension.ts';
import { type ConfigIssues, createConfigIssues } from './config-issues.ts';
import { parseCommentedJson } from './json-text.ts';
import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from './json-value.ts';
import { valuePreview } from './value-preview.ts';

/** A checked experiment config: its experiments are those of all sweeps, one sweep after the other. */
export interface ExperimentConfig {
  readonly sweeps: readonly Sweep[];
  /** Index of each sweep's first experiment. */
  readonly starts: readonly bigint[];
  /** How many experiments the config stands for; may be far more than can be listed. */
  readonly count: bigint;
}

/** One object of the document: every combination of a row of each dimension. */
export interface Sweep {
  /** In the order of the file; the first varies slowest. */
  readonly dimensions: readonly Dimension[];
  /** The flags of each experiment, in the order of the file, each name once. */
  readonly flags: readonly FlagSource[];
  readonly count: bigint;
}

/** Where the value of a flag is found: the dimension, and the place in its rows (0 in a plain one). */
export interface FlagSource {
  readonly name: string;
  readonly dimension: number;
  readonly column: number;
}

/**
 * Reads and checks the text of an experiment config, without expanding it. Throws CONFIG_SYNTAX, or
 * CONFIG_INVALID that lists what is wrong with line and column; its context has line, column, key and
 * reason of the first issue, and `issues` (at most 20). Time and memory grow with the text only.
 */
export function parseExperimentConfig(text: string): ExperimentConfig {
  const { root, rootOffset } = parseCommentedJson(text, 'experiment config');
  const issues = createConfigIssues();
  const sweeps: Sweep[] = [];
  if (isJsonObject(root)) sweeps.push(readSweep(root, issues));
  else if (isJsonList(root)) readSweeps(root, { sweeps, issues });
  else {
    issues.add(() => ({
      offset: rootOffset,
      reason: 'top-level',
      message: `the document is ${valuePreview(root)}, but must be an object of flags or a list of such objects`,
      hint: 'Write an object, for example {"learning_rate": [0.01, 0.001]}.',
    }));
  }
  issues.throwIfAny(text);
  return withCounts(sweeps);
}

type Reading = { readonly sweeps: Sweep[]; readonly issues: ConfigIssues };

function readSweeps(list: JsonValue, reading: Reading): void {
  if (!isJsonList(list)) return;
  list.items.forEach((item, index) => {
    if (isJsonObject(item)) reading.sweeps.push(readSweep(item, reading.issues));
    else if (isJsonList(item)) readSweeps(item, reading);
    else {
      reading.issues.add(() => ({
        offset: list.offsets[index] ?? 0,
        reason: 'list-item',
        message: `item ${index + 1} of the list is ${valuePreview(item)}, but must be an object of flags or a list of such objects`,
        hint: 'Give each value its flag name, for example {"learning_rate": [0.01, 0.001]}.',
      }));
    }
  });
}

function readSweep(object: JsonObject, issues: ConfigIssues): Sweep {
  const read: ReadDimension[] = [];
  const sources = new Map<string, FlagSource>();
  for (const [key, member] of object.members) {
    const dimension = readDimension(key, member, issues);
    if (!dimension) continue;
    // A Map keeps the first position of a name, and the value of the key written later.
    dimension.names.forEach((name, column) => {
      sources.set(name, { name, dimension: read.length, column });
    });
    read.push(dimension);
  }
  const dimensions = read.map(({ dimension }) => dimension);
  const flags = Array.from(sources.values());
  const count = product(dimensions.map(({ rows }) => BigInt(rows.length)));
  // As in the original, a value in a list counts only if an experiment has it.
  if (count > 0n) for (const flag of flags) checkValues(flag, read[flag.dimension], issues);
  return { dimensions, flags, count };
}

function checkValues(
  flag: FlagSource,
  read: ReadDimension | undefined,
  issues: ConfigIssues,
): void {
  read?.dimension.rows.forEach((_, row) => {
    const value = valueIn(read.dimension, row, flag.column);
    if (isRefused(value)) {
      const offset = read.offsetOf(row, flag.column);
      issues.add(() => badValue({ key: flag.name, value, offset }));
    }
  });
}

// By halves: one factor at a time would take quadratic time on a text with a million lists.
function product(factors: readonly bigint[]): bigint {
  if (factors.length <= 1) return factors[0] ?? 1n;
  const middle = factors.length >> 1;
  return product(factors.slice(0, middle)) * product(factors.slice(middle));
}

function withCounts(sweeps: readonly Sweep[]): ExperimentConfig {
  let count = 0n;
  const starts = sweeps.map((sweep) => {
    const start = count;
    count += sweep.count;
    return start;
  });
  return { sweeps, starts, count };
}
