import { compareCodePoints } from './code-point-order.ts';
import type { Experiment } from './expand.ts';
import { pythonStr } from './python-repr.ts';

/** The order of flags on a command line: as in the file, or sorted by code point as jobs get them. */
export type FlagOrder = 'file' | 'sorted';

/**
 * The command-line arguments of an experiment: `--key` for true, nothing for false, else `--key` and the
 * value's text as two arguments. Texts are raw, for an argument vector: quote them for a shell.
 */
export function flagsOf(experiment: Experiment, order: FlagOrder): string[] {
  const ordered = order === 'sorted' ? sortedFlags(experiment) : experiment;
  const words: string[] = [];
  for (const [name, value] of ordered) {
    if (value === false) continue;
    words.push(`--${name}`);
    if (value !== true) words.push(pythonStr(value));
  }
  return words;
}

/** The experiment with its flags sorted by code point of their names. */
export function sortedFlags(experiment: Experiment): Experiment {
  return experiment.toSorted(([a], [b]) => compareCodePoints(a, b));
}
