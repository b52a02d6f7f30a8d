import { experimentJson } from './canonical.ts';
import type { ExperimentConfig } from './config-model.ts';
import { type Experiment, experiments } from './expand.ts';
import { flagsOf } from './flags.ts';
import { block, jsonString, pythonJsonIndented } from './python-json.ts';

/** How to print experiments: `json` on one line, `pretty` with indent 2, `flags` one line an experiment. */
export type ExpansionFormat = 'json' | 'pretty' | 'flags';

/**
 * The text that `expansion` prints, in the documented order, as chunks of about 64 Ki characters that are
 * made while they are read. The JSON forms are experiment configs themselves and end with a line break.
 */
export function expansionText(
  config: ExperimentConfig,
  format: ExpansionFormat,
): Generator<string, void> {
  switch (format) {
    case 'json':
      return chunked(
        joined(config, { open: '[', between: ', ', close: ']\n', print: experimentJson }),
      );
    case 'pretty':
      if (config.count === 0n) return chunked(['[]\n']);
      return chunked(
        joined(config, {
          open: '[\n  ',
          between: ',\n  ',
          close: '\n]\n',
          print: prettyExperiment,
        }),
      );
    case 'flags':
      return chunked(flagLines(config));
  }
}

const CHUNK_LENGTH = 65_536;

function* chunked(pieces: Iterable<string>): Generator<string, void> {
  let chunk = '';
  for (const piece of pieces) {
    chunk += piece;
    if (chunk.length >= CHUNK_LENGTH) {
      yield chunk;
      chunk = '';
    }
  }
  if (chunk !== '') yield chunk;
}

interface Notation {
  readonly open: string;
  readonly between: string;
  readonly close: string;
  print(experiment: Experiment): string;
}

function* joined(config: ExperimentConfig, notation: Notation): Generator<string, void> {
  let before = notation.open;
  for (const experiment of experiments(config)) {
    yield before + notation.print(experiment);
    before = notation.between;
  }
  yield config.count === 0n ? notation.open + notation.close : notation.close;
}

function prettyExperiment(experiment: Experiment): string {
  const margin = '  ';
  const lines = experiment.map(
    ([name, value]) => `${jsonString(name)}: ${pythonJsonIndented(value, `${margin}  `)}`,
  );
  return block('{}', margin, lines);
}

function* flagLines(config: ExperimentConfig): Generator<string, void> {
  for (const experiment of experiments(config)) yield `${flagsOf(experiment, 'file').join(' ')}\n`;
}
