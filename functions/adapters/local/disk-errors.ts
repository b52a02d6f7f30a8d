import { closeSync, existsSync, openSync, statfsSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AppError, isAppError } from '../../../shared/errors/app-error.ts';
import { hostBusy, troubleOf } from '../../ports/host-trouble.ts';
import { systemCode } from './durable-file.ts';

const FORBIDDEN = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR']);
/** With less than this nothing of a database can grow. */
const NO_ROOM_BYTES = 64 * 1024;

/** Whether a system call failed for lack of room: of bytes, of a quota, or of a limit on files. */
export function isFull(error: unknown): boolean {
  return troubleOf(error) === 'no-room';
}

/** AppErrors DISK_FULL, DATA_DIR_UNUSABLE and HOST_BUSY for failed system calls that an operator can do something about; anything else as it was thrown. */
export function asDiskError(error: unknown, path: string): unknown {
  const code = systemCode(error);
  // What has its words already keeps them.
  if (code === undefined || isAppError(error)) return error;
  if (FORBIDDEN.has(code)) return notWritable(path, error);
  if (isFull(error)) return diskFull(path, error);
  if (troubleOf(error) === 'scarce') return hostBusy(error);
  return error;
}

/** The AppError DISK_FULL: what could not grow, how much is free there, and what to do. */
export function diskFull(path: string, cause: unknown): AppError {
  const directory = existingParent(path);
  const space = spaceAt(directory);
  return new AppError(
    'DISK_FULL',
    `The disk of ${directory} is full (${space.text}): ${path} cannot grow.`,
    {
      hint: 'Free some space there, or name a directory on a larger disk with --data_dir; then send the same again.',
      context: { path, freeBytes: space.freeBytes },
      cause,
    },
  );
}

/** The AppError DATA_DIR_UNUSABLE for what may not be written. */
export function notWritable(path: string, cause: unknown): AppError {
  const code = refusalOf(existingParent(path)) ?? systemCode(cause);
  const reason =
    code === 'EROFS'
      ? 'its file system is read-only'
      : `this user may not write there${code === undefined ? '' : ` (${code})`}`;
  return new AppError('DATA_DIR_UNUSABLE', `${path} cannot be written: ${reason}.`, {
    hint:
      code === 'EROFS'
        ? 'Make the file system writable again (see the log of the system for why it is not), or name another directory with --data_dir.'
        : 'Give your user write access to it, or name another directory with --data_dir.',
    context: { path },
    cause,
  });
}

/** Throws AppErrors DISK_FULL and DATA_DIR_UNUSABLE unless a file can be made in the directory. */
export function refuseUnwritable(directory: string): void {
  const error = failureOfTry(directory);
  if (error !== undefined) throw asDiskError(error, directory);
}

/** Why no file can be made in a directory, as a system code; undefined: it can. */
export function refusalOf(directory: string): string | undefined {
  return systemCode(failureOfTry(directory));
}

/** What making a file in a directory fails with; tried out, because modes and mounts do not say the whole truth, least of all after an error of the disk. */
export function failureOfTry(directory: string): unknown {
  const path = join(directory, `.caliban-try-${process.pid}`);
  try {
    closeSync(openSync(path, 'wx', 0o600));
    unlinkSync(path);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Whether there is no room left at a path, for a byte or for a file. */
export function hasNoRoom(path: string): boolean {
  const { freeBytes, freeFiles } = spaceAt(existingParent(path));
  return freeBytes < NO_ROOM_BYTES || freeFiles === 0;
}

function spaceAt(directory: string): {
  readonly freeBytes: number;
  readonly freeFiles: number;
  readonly text: string;
} {
  try {
    const { bavail, blocks, bsize, ffree, files } = statfsSync(directory);
    const freeBytes = bavail * bsize;
    // Some file systems do not count files.
    const freeFiles = files === 0 ? Number.POSITIVE_INFINITY : ffree;
    const noFile = freeFiles === 0 ? ', no file more' : '';
    const text = `${sizeText(freeBytes)} of ${sizeText(blocks * bsize)} free${noFile}`;
    return { freeBytes, freeFiles, text };
  } catch {
    const unknown = Number.POSITIVE_INFINITY;
    return { freeBytes: unknown, freeFiles: unknown, text: 'free space unknown' };
  }
}

function sizeText(bytes: number): string {
  const mebibytes = bytes / 1024 ** 2;
  return mebibytes < 1024 ? `${mebibytes.toFixed(1)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

function existingParent(path: string): string {
  const parent = dirname(path);
  return existsSync(parent) || parent === path ? parent : existingParent(parent);
}
