import { constants, createReadStream } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { asDiskError } from '../disk-errors.ts';

/** A file that an upload grows. */
export interface StagedFile {
  /** Writes all bytes at a position. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes what was written durable and closes. */
  close(): Promise<void>;
}

/**
 * The few things that the layer store does to a disk; tests inject faults here. Every step is atomic and durable once
 * it has returned. Throws AppErrors DISK_FULL, and DATA_DIR_UNUSABLE when it may not be written.
 */
export interface LayerDisk {
  makeDirectory(path: string): Promise<void>;
  /** Text of a file, or undefined. */
  readText(path: string): Promise<string | undefined>;
  /** Size in bytes and time of the last change, or undefined. */
  stat(path: string): Promise<{ readonly size: number; readonly modifiedAt: number } | undefined>;
  /** Replaces a file as a whole, by way of a `.tmp` file in the same directory. */
  writeText(path: string, text: string): Promise<void>;
  /** Opens a file to grow it; creates it when absent. */
  openStaged(path: string): Promise<StagedFile>;
  /** Opened when first asked for a piece. */
  read(path: string): AsyncIterable<Uint8Array>;
  move(from: string, to: string): Promise<void>;
  /** Absent is fine. */
  remove(path: string): Promise<void>;
  /** Names in a directory. */
  list(path: string): Promise<string[]>;
}

/** End of the name of a file that `writeText` has not finished. */
export const TEMPORARY_SUFFIX = '.tmp';

const READ_BYTES = 256 * 1024;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** The real disk. */
export const layerDisk: LayerDisk = {
  makeDirectory: (path) => guarded(path, makeDirectory),
  readText: (path) => absentIsUndefined(guarded(path, () => readFile(path, 'utf8'))),
  stat: (path) => absentIsUndefined(guarded(path, statFile)),
  writeText: (path, text) => guarded(path, () => writeWhole(path, text)),
  openStaged: (path) => guarded(path, openStaged),
  async *read(path) {
    yield* createReadStream(path, { highWaterMark: READ_BYTES });
  },
  move: (from, to) => guarded(to, () => move(from, to)),
  remove: (path) => guarded(path, () => rm(path, { force: true })),
  list: (path) => guarded(path, () => readdir(path)),
};

async function makeDirectory(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  if (made !== undefined) await sync(dirname(path));
}

async function statFile(path: string) {
  const { size, mtimeMs } = await stat(path);
  return { size, modifiedAt: mtimeMs };
}

async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `${basename(path)}.${process.pid}${TEMPORARY_SUFFIX}`);
  try {
    await writeFile(temporary, text, { mode: FILE_MODE, flush: true });
    await move(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function move(from: string, to: string): Promise<void> {
  await sync(from);
  await rename(from, to);
  await sync(dirname(to));
}

async function openStaged(path: string): Promise<StagedFile> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  const file = await open(path, flags, FILE_MODE);
  return {
    write: (bytes, position) => guarded(path, () => writeAll(file, bytes, position)),
    close: () =>
      guarded(path, async () => {
        try {
          await file.datasync();
        } finally {
          await file.close();
        }
      }),
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const rest = bytes.length - written;
    written += (await file.write(bytes, written, rest, position + written)).bytesWritten;
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function absentIsUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function guarded<T>(path: string, act: (path: string) => Promise<T>): Promise<T> {
  try {
    return await act(path);
  } catch (error) {
    throw asDiskError(error, path);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
