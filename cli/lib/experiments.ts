import { LIMITS } from '../../shared/api/limits.ts';
import { parseExperimentConfig } from '../../shared/experiments/config-model.ts';
import { countWithin } from '../../shared/experiments/expand.ts';
import { expansionText } from '../../shared/experiments/expansion-text.ts';
import { parseLabelFlag } from '../../shared/labels/labels.ts';
import type { Experiments } from './parts.ts';

/** Experiment configs and labels as the shared code reads them. */
export const EXPERIMENTS: Experiments = {
  countExperiments: (text) => countWithin(parseExperimentConfig(text), LIMITS.experiments),
  parseLabelFlag,
  expand(text, { pprint, printFlags }) {
    return expansionText(
      parseExperimentConfig(text),
      printFlags ? 'flags' : pprint ? 'pretty' : 'json',
    );
  },
};
