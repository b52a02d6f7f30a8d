import { dirname } from 'node:path';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { DAMAGED } from '../../../../shared/errors/damaged-database.ts';
import { hostBusy, troubleOf } from '../../../ports/host-trouble.ts';
import {
  asDiskError,
  diskFull,
  failureOfTry,
  hasNoRoom,
  notWritable,
  refusalOf,
} from '../disk-errors.ts';

// Primary result codes (https://sqlite.org/rescode.html); extended ones hold them in the low byte.
const SQL_ERROR = 1;
const BUSY = 5;
const LOCKED = 6;
const NO_MEMORY = 7;
const READ_ONLY = 8;
const IO_ERROR = 10;
const FULL = 13;
const CORRUPT = 11;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;
const UNUSABLE: Readonly<Record<number, string>> = {
  3: 'Give this user read and write access to the directory, or name another with --data_dir.',
  8: 'Give this user write access to the directory, or name another with --data_dir.',
  10: 'Check the disk, or name a directory on another one with --data_dir.',
  11: 'The file is damaged: restore it from a backup, or name another directory with --data_dir.',
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

/** Whether SQLite could not make, grow or open one of its side files. */
export function lacksSideFiles(error: unknown): boolean {
  const code = resultCode(error) ?? 0;
  return [CANNOT_OPEN, READ_ONLY, FULL, IO_ERROR].includes(code);
}

/** AppErrors DISK_FULL, DATA_DIR_UNUSABLE and HOST_BUSY for what the disk, the directory or the machine does wrong; anything else as it was thrown. */
export function asStoreError(error: unknown, path: string): unknown {
  const code = resultCode(error);
  if (code === undefined) return asSystemError(error, path);
  if (isForLackOfRoom(code, path)) return diskFull(path, error);
  if (isForbidden(code, path)) return notWritable(path, error);
  const scarcity = scarcityOf(code, path);
  if (scarcity !== undefined) return hostBusy(new Error(String(error), { cause: scarcity }));
  const hint = UNUSABLE[code];
  return hint === undefined ? error : unusable(path, error, hint);
}

/** A row whose text is no document: SQLite reads damaged bytes of a text without a word. */
export function damagedRow(path: string, row: string, error: unknown): AppError {
  return new AppError('DATA_DIR_UNUSABLE', `cannot use ${path}: ${row} is no document`, {
    hint: UNUSABLE[CORRUPT] ?? '',
    context: { path, ...DAMAGED },
    cause: error,
  });
}

// Where its log's index cannot grow, SQLite tells of an I/O error; where no file can be made, that it cannot open one.
function isForLackOfRoom(code: number, path: string): boolean {
  return code === FULL || ((code === IO_ERROR || code === CANNOT_OPEN) && hasNoRoom(path));
}

// SQLite does not tell the system's code: what it could not open is tried again here.
function scarcityOf(code: number, path: string): unknown {
  if (code === NO_MEMORY) return Object.assign(new Error('out of memory'), { code: 'ENOMEM' });
  if (code !== CANNOT_OPEN && code !== IO_ERROR) return undefined;
  const failure = failureOfTry(dirname(path));
  return troubleOf(failure) === 'scarce' ? failure : undefined;
}

// On a disk that has become read-only a commit of an open database fails as an I/O error.
function isForbidden(code: number, path: string): boolean {
  const refusal = refusalOf(dirname(path));
  if (refusal === undefined) return false;
  return code === READ_ONLY || (refusal === 'EROFS' && (code === IO_ERROR || code === CANNOT_OPEN));
}

function asSystemError(error: unknown, path: string): unknown {
  const known = asDiskError(error, path);
  if (known !== error || !(error instanceof Error) || !('syscall' in error)) return known;
  return unusable(path, error, UNUSABLE[CANNOT_OPEN] ?? '');
}

function unusable(path: string, error: unknown, hint: string): AppError {
  const reason = error instanceof Error ? error.message : String(error);
  const code = resultCode(error);
  const isDamaged = code === CORRUPT || code === NOT_A_DATABASE;
  return new AppError('DATA_DIR_UNUSABLE', `cannot use ${path}: ${reason}`, {
    hint,
    context: { path, ...(isDamaged ? DAMAGED : {}) },
    cause: error,
  });
}
