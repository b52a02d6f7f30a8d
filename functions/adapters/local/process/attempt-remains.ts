import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { chmod, rm, rmdir, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { AttemptFiles } from '../attempts/attempt-files.ts';
import { isCopy } from './workspace-copy.ts';

/**
 * Removes from an ended attempt's `work` what is as it was copied, byte code that Python cached, and directories that are
 * empty; what the program made or changed stays, and `work` itself. Follows no link. May be cut short at any point, also
 * by `signal`, and be done again. Throws AggregateError when something could not be removed, after all else was.
 */
export async function removeUnchanged(
  files: AttemptFiles,
  ref: string,
  signal: AbortSignal,
): Promise<void> {
  const work = join(files.directory(ref), 'work');
  await rm(`${work}.tmp`, { recursive: true, force: true });
  const start = await files.readStart(ref);
  if (start === null) return;
  if (start.kind === 'forbidden') return rm(work, { recursive: true, force: true });
  const began = statSync(join(files.directory(ref), 'started'));
  const info = lstatSync(work, { throwIfNoEntry: false });
  if (info?.isDirectory() !== true) return;
  const sweep: Sweep = { beganMs: began.mtimeMs, signal, failures: [] };
  await sweepDirectory(work, info, sweep);
  if (sweep.failures.length > 0) {
    throw new AggregateError(sweep.failures, `${sweep.failures.length} entries of ${work} stay`);
  }
}

interface Sweep {
  /** When the program began. */
  readonly beganMs: number;
  readonly signal: AbortSignal;
  readonly failures: unknown[];
}

/** Whether the directory is empty now. One that its owner may not change is opened meanwhile. */
async function sweepDirectory(directory: string, info: Stats, sweep: Sweep): Promise<boolean> {
  const isClosed = (info.mode & 0o700) !== 0o700;
  if (!isClosed) return sweepNames(directory, sweep);
  await chmod(directory, info.mode | 0o700);
  try {
    return await sweepNames(directory, sweep);
  } finally {
    await chmod(directory, info.mode);
  }
}

async function sweepNames(directory: string, sweep: Sweep): Promise<boolean> {
  const names = readdirSync(directory);
  const isCache = basename(directory) === '__pycache__' && names.every(isByteCode);
  let left = 0;
  for (const name of names) {
    sweep.signal.throwIfAborted();
    const isGone = await sweepEntry(join(directory, name), isCache, sweep).catch((error) => {
      sweep.failures.push(error);
      return false;
    });
    if (!isGone) left += 1;
  }
  return left === 0;
}

async function sweepEntry(path: string, isCache: boolean, sweep: Sweep): Promise<boolean> {
  const info = lstatSync(path);
  if (info.isDirectory()) {
    const isEmpty = await sweepDirectory(path, info, sweep);
    if (isEmpty) await rmdir(path);
    return isEmpty;
  }
  const isDerived = isCache && info.isFile();
  if (!isDerived && !isCopy(info, sweep.beganMs)) return false;
  await unlink(path);
  return true;
}

// Python writes `x.pyc.<number>` first and renames it; an end by force leaves it.
function isByteCode(name: string): boolean {
  return /\.pyc(\.\d+)?$/.test(name);
}
