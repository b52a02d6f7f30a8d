import type { Experiment } from './expand.ts';
import { sortedFlags } from './flags.ts';
import { jsonString, pythonJson } from './python-json.ts';

/**
 * One text for all experiments that are the same, for hashing: a JSON object in ASCII, keys sorted by code
 * point. The order of keys does not matter; `1` and `1.0` differ, and so do objects inside of list values
 * when their keys are in another order, because the program sees that.
 */
export function canonicalExperiment(experiment: Experiment): string {
  return experimentJson(sortedFlags(experiment));
}

/** An experiment as a JSON object on one line, as Python prints it, keys in the order given. */
export function experimentJson(experiment: Experiment): string {
  return `{${experiment.map(([name, value]) => `${jsonString(name)}: ${pythonJson(value)}`).join(', ')}}`;
}
