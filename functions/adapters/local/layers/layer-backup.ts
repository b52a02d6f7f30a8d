import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CopyRun, copyTree } from '../backup/copy-tree.ts';

const STAGING = 'staging';

/**
 * Copies a directory of layers while its service takes more. What is staged comes first: a layer that is finished meanwhile moves
 * from there to its place, so it is in both places of the copy, and never in none.
 */
export async function copyLayers(from: string, to: string, run: CopyRun): Promise<void> {
  await mkdir(join(to, STAGING), { recursive: true, mode: 0o700 });
  await copyTree({ from, to }, run, (name) => name === STAGING);
  await copyTree({ from, to }, run, (name) => name !== STAGING);
}
