import { AppError } from '../../../../shared/errors/app-error.ts';

// Primary result codes (https://sqlite.org/rescode.html); extended ones hold them in the low byte.
const SQL_ERROR = 1;
const BUSY = 5;
const LOCKED = 6;
const READ_ONLY = 8;
const CANNOT_OPEN = 14;
const UNUSABLE: Readonly<Record<number, string>> = {
  3: 'Give this user read and write access to the directory, or name another with --data_dir.',
  8: 'Give this user write access to the directory, or name another with --data_dir.',
  10: 'Check the disk, or name a directory on another one with --data_dir.',
  11: 'The file is damaged: restore it from a backup, or name another directory with --data_dir.',
  13: 'Free some space, or name a directory on another disk with --data_dir.',
  14: 'Check that the directory exists and this user may use it, or name another with --data_dir.',
  22: 'Name a directory on a local disk with --data_dir.',
  26: 'The file is no database: move it away, or name another directory with --data_dir.',
};

/** SQLite's primary result code, when it was SQLite that threw. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/** Whether another process has the lock now. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** Whether a statement does not fit the database. */
export function isSqlError(error: unknown): boolean {
  return resultCode(error) === SQL_ERROR;
}

/** Whether SQLite could not make or open one of its side files. */
export function lacksSideFiles(error: unknown): boolean {
  const code = resultCode(error);
  return code === CANNOT_OPEN || code === READ_ONLY;
}

/** AppError DATA_DIR_UNUSABLE for what the disk or the directory does wrong; anything else as it was thrown. */
export function asStoreError(error: unknown, path: string): unknown {
  const code = resultCode(error);
  const hint = code === undefined ? systemHint(error) : UNUSABLE[code];
  if (hint === undefined || !(error instanceof Error)) return error;
  return new AppError('DATA_DIR_UNUSABLE', `cannot use ${path}: ${error.message}`, {
    hint,
    context: { path },
    cause: error,
  });
}

function systemHint(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error ? UNUSABLE[CANNOT_OPEN] : undefined;
}
