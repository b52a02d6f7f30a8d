import type { Context } from '../lib/context.ts';
import { readConfig } from '../lib/read-config.ts';

/** `caliban expansion FILE`. */
export async function run({ io, out, options, words }: Context): Promise<number> {
  const text = await readConfig(io, words[0] ?? '');
  const { expand } = await io.parts.experiments();
  const form = { pprint: options.isSet('pprint'), printFlags: options.isSet('print_flags') };
  for (const piece of expand(text, form)) await out.raw(piece);
  return 0;
}
