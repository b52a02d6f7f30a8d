import { resolve } from 'node:path';
import { shellQuote } from '../../shared/text/shell-quote.ts';
import type { Context } from '../lib/context.ts';
import { formatBytes } from '../lib/live-block.ts';

/** `caliban admin backup DIR`. */
export async function run(ctx: Context): Promise<number> {
  const { io, out, words, dataDir, json } = ctx;
  const [word = ''] = words;
  const backup = await io.parts.backup();
  const target = resolve(io.cwd, word);
  const { unreadable, ...made } = await backup({ dataDir, target, signal: io.signal });
  for (const path of unreadable) out.note(`not in the backup, this user may not read it: ${path}`);
  if (json) await out.json({ dataDir, ...made, unreadable });
  else {
    const parts = `${made.jobs} jobs, ${made.attempts} attempts, ${formatBytes(made.bytes)}`;
    await out.line(`backup of ${dataDir} in ${target}: ${parts}`);
    out.note(`Check it with: caliban admin check --data_dir ${shellQuote(target)}`);
  }
  return 0;
}
