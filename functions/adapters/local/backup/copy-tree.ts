import { execFile } from 'node:child_process';
import { constants, type Dirent } from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readlink,
  symlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { orAbsent, systemCode } from '../durable-file.ts';

/** What was copied. */
export interface Copied {
  files: number;
  bytes: number;
  /** Paths that this user may not read: they are not in the copy. */
  readonly unreadable: string[];
}

/** A copy under way: counts what was copied, and can be broken off. */
export interface CopyRun extends Copied {
  readonly signal: AbortSignal;
}

/**
 * Copies a directory with modes, times and links, sharing blocks where the file system can. What goes away meanwhile is left out, and so
 * are sockets, pipes and devices. `isWanted` says which names at the top are copied.
 */
export async function copyTree(
  paths: { readonly from: string; readonly to: string },
  run: CopyRun,
  isWanted: (name: string) => boolean = () => true,
): Promise<void> {
  const { from, to } = paths;
  const entries = await orSkipped(run, from, readdir(from, { withFileTypes: true }));
  if (entries === null) return;
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of entries) {
    if (!isWanted(entry.name)) continue;
    run.signal.throwIfAborted();
    const inside = { from: join(from, entry.name), to: join(to, entry.name) };
    if (entry.isDirectory()) await copyTree(inside, run);
    else await copyEntry(inside, entry, run);
  }
  await likeTheOriginal(paths);
}

/** Makes everything durable that was written on this machine: one call for many files. */
export async function syncDisks(): Promise<void> {
  await promisify(execFile)('sync');
}

async function copyEntry(
  paths: { readonly from: string; readonly to: string },
  entry: Dirent,
  run: CopyRun,
): Promise<void> {
  const { from, to } = paths;
  if (entry.isSymbolicLink()) {
    const target = await orSkipped(run, from, readlink(from));
    if (target !== null) await symlink(target, to);
    return;
  }
  if (!entry.isFile()) return;
  const copying = copyFile(from, to, constants.COPYFILE_FICLONE).then(() => true);
  if ((await orSkipped(run, from, copying)) === null) return;
  run.files += 1;
  run.bytes += (await lstat(to)).size;
  await likeTheOriginal(paths);
}

async function likeTheOriginal({ from, to }: { readonly from: string; readonly to: string }) {
  const info = await orAbsent(lstat(from));
  if (info === null) return;
  await chmod(to, info.mode);
  await lutimes(to, info.atime, info.mtime);
}

async function orSkipped<T>(run: CopyRun, path: string, reading: Promise<T>): Promise<T | null> {
  try {
    return await orAbsent(reading);
  } catch (error) {
    if (systemCode(error) !== 'EACCES') throw error;
    run.unreadable.push(path);
    return null;
  }
}
