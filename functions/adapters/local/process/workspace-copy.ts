import { constants, readdirSync, type Stats, statSync } from 'node:fs';
import { chmod, copyFile, lutimes, mkdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';

// Any time does that no program sets by chance; zip has none before 1980, and some file systems only even seconds.
const COPIED_AT = new Date('2001-02-03T04:05:06Z');

/** Copies a tree with its modes and links, sharing blocks where the file system can; `isCopy` tells its files and links. */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) {
      await copyTree(source, target);
      continue;
    }
    if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else await copyFile(source, target, constants.COPYFILE_FICLONE);
    await lutimes(target, COPIED_AT, COPIED_AT);
  }
  await chmod(to, statSync(from).mode);
}

/**
 * Whether a file or link is as `copyTree` made it before `beganMs`. Two witnesses: the time of change, which no program
 * can set, but which goes wrong when the clock is set back; and the time of modification.
 */
export function isCopy(info: Stats, beganMs: number): boolean {
  const isKind = info.isFile() || info.isSymbolicLink();
  return isKind && info.mtimeMs === COPIED_AT.getTime() && info.ctimeMs <= beganMs;
}
