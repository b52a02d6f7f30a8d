import { link, lstat, mkdir, open, symlink, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { layerInvalid } from '../../../../shared/layers/layer-errors.ts';
import type { TarEntry } from '../../../../shared/layers/tar-reader.ts';

/** A file that is being written. */
export interface OpenFile {
  append(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

type FileEntry = Pick<TarEntry, 'path' | 'executable'>;

/** Makes files, directories and links below one directory, by paths relative to it. Parents are made as needed. */
export interface ExtractTree {
  directory(path: string): Promise<void>;
  file(entry: FileEntry, bytes: Uint8Array): Promise<void>;
  openFile(entry: FileEntry): Promise<OpenFile>;
  symlink(target: string, path: string): Promise<void>;
  /** `target`: a file of this tree. */
  hardlink(target: string, path: string): Promise<void>;
}

const DIRECTORY_MODE = 0o755;

/**
 * A tree that nobody else writes to meanwhile. What stands in the way is replaced, but for a directory in the way of
 * something else: AppError LAYER_INVALID. No path is followed through a link: each parent is seen to be a real
 * directory first, and files are made new (O_EXCL).
 */
export async function createExtractTree(root: string): Promise<ExtractTree> {
  await mkdir(root, { recursive: true });
  const directories = new Map([['.', Promise.resolve()]]);

  /** Once for each path, however many files of it are written at once. */
  function directory(path: string): Promise<void> {
    const known = directories.get(path) ?? makeDirectory(path);
    directories.set(path, known);
    return known;
  }

  async function makeDirectory(path: string): Promise<void> {
    await directory(dirname(path));
    const place = join(root, path);
    if (await isDirectory(place)) return;
    await replacing(place, path, () => mkdir(place, { mode: DIRECTORY_MODE }));
  }

  async function make<T>(path: string, act: (place: string) => Promise<T>): Promise<T> {
    await directory(dirname(path));
    const place = join(root, path);
    return replacing(place, path, () => act(place));
  }

  return {
    directory,
    file: (entry, bytes) =>
      make(entry.path, (place) => writeFile(place, bytes, { flag: 'wx', mode: modeOf(entry) })),
    async openFile(entry) {
      const file = await make(entry.path, (place) => open(place, 'wx', modeOf(entry)));
      return { append: (bytes) => file.writeFile(bytes), close: () => file.close() };
    },
    symlink: (target, path) => make(path, (place) => symlink(target, place)),
    hardlink: (target, path) => make(path, (place) => link(join(root, target), place)),
  };
}

function modeOf(entry: FileEntry): number {
  return entry.executable ? 0o755 : 0o644;
}

/** Makes something new; what has its name already is removed first, unless it is a directory. */
async function replacing<T>(place: string, path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
    if (await isDirectory(place)) {
      throw layerInvalid('an earlier layer has a directory in its place', path, error);
    }
  }
  await unlink(place);
  return act();
}

async function isDirectory(place: string): Promise<boolean> {
  try {
    return (await lstat(place)).isDirectory();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
