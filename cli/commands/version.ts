import type { Context } from '../lib/context.ts';
import { VERSION } from '../lib/version.ts';

/** `caliban version`. */
export async function run({ out, json }: Context): Promise<number> {
  const node = process.versions.node;
  if (json) await out.json({ version: VERSION, node });
  else await out.line(`caliban ${VERSION} (Node ${node})`);
  return 0;
}
