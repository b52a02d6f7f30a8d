import { parseArgs } from 'node:util';

/** Numbers of the command line by name, or the given ones: `--jobs=5000`. */
export function sizes<const N extends string>(
  defaults: Readonly<Record<N, number>>,
): Record<N, number> {
  const { values } = parseArgs({ strict: false });
  const chosen: Record<N, number> = { ...defaults };
  for (const name of Object.keys(defaults) as N[]) {
    const given = values[name];
    if (typeof given === 'string' && Number.isFinite(Number(given))) chosen[name] = Number(given);
  }
  return chosen;
}
