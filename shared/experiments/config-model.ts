import type { Dimension } from './config-dimension.ts';
import { type ConfigIssues, createConfigIssues } from './config-issues.ts';
import { badDocument, badListItem } from './config-refusals.ts';
import { parseCommentedJson } from './json-text.ts';
import { isJsonList, isJsonObject, type JsonList, type JsonObject } from './json-value.ts';
import { checkColumn, type ReadDimension, readDimension } from './read-dimension.ts';

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
  const reading: Reading = { issues, sweeps: [], lastFlags: [] };
  if (isJsonObject(root)) readSweep(root, reading);
  else if (isJsonList(root)) readSweeps(root, reading);
  else issues.add(() => badDocument({ value: root, at: rootOffset }));
  issues.throwIfAny(text);
  return withCounts(reading.sweeps);
}

interface Reading {
  readonly issues: ConfigIssues;
  readonly sweeps: Sweep[];
  lastFlags: readonly FlagSource[];
}

function readSweeps(list: JsonList, reading: Reading): void {
  list.items.forEach((item, index) => {
    if (isJsonObject(item)) readSweep(item, reading);
    else if (isJsonList(item)) readSweeps(item, reading);
    else reading.issues.add(() => badListItem(index + 1, { value: item, at: { list, index } }));
  });
}

function readSweep({ members }: JsonObject, reading: Reading): void {
  const read: ReadDimension[] = [];
  for (const member of members) {
    const dimension = readDimension(member, reading.issues);
    if (dimension) read.push(dimension);
  }
  const dimensions = read.map(({ dimension }) => dimension);
  const flags = sharedFlags(flagsOf(read), reading);
  const count = product(dimensions.map(({ rows }) => BigInt(rows.length)));
  // As in the original, a value in a list counts only if an experiment has it.
  if (count > 0n) {
    for (const { dimension, column } of flags) {
      const source = read[dimension];
      if (source) checkColumn(source, column, reading.issues);
    }
  }
  reading.sweeps.push({ dimensions, flags, count });
}

function flagsOf(read: readonly ReadDimension[]): FlagSource[] {
  const sources = new Map<string, FlagSource>();
  read.forEach(({ names }, dimension) => {
    // A Map keeps the first position of a name, and the value of the key written later.
    names.forEach((name, column) => {
      sources.set(name, { name, dimension, column });
    });
  });
  return Array.from(sources.values());
}

// The configs of a long list mostly have the same keys; one table for all saves half of the memory.
function sharedFlags(flags: readonly FlagSource[], reading: Reading): readonly FlagSource[] {
  const last = reading.lastFlags;
  const same =
    last.length === flags.length && flags.every((flag, i) => isSameSource(flag, last[i]));
  if (!same) reading.lastFlags = flags;
  return reading.lastFlags;
}

function isSameSource(a: FlagSource, b: FlagSource | undefined): boolean {
  return a.name === b?.name && a.dimension === b.dimension && a.column === b.column;
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
