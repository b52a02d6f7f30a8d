import { parseExperimentConfig } from '../../shared/experiments/config-model.ts';
import { expansionText } from '../../shared/experiments/expansion-text.ts';
import type { Context } from '../lib/context.ts';
import { NO_EXPERIMENT, readConfig } from '../lib/read-config.ts';

/** `caliban expansion FILE`. */
export async function run({ io, out, options, words }: Context): Promise<number> {
  const text = await readConfig(io, words[0] ?? '');
  const config = parseExperimentConfig(text);
  for (const piece of expansionText(config, formatOf(options))) await out.raw(piece);
  if (config.count === 0n) out.note(`${NO_EXPERIMENT}.`);
  return 0;
}

// As in the original, --print_flags wins.
function formatOf(options: Context['options']) {
  if (options.isSet('print_flags')) return 'flags';
  return options.isSet('pprint') ? 'pretty' : 'json';
}
