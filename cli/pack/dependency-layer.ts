import { realpath, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { AppError } from '../../shared/errors/app-error.ts';
import { type FileEntry, inTarOrder, type LayerTree } from './layer-tree.ts';
import { isInside, isOutside } from './walk.ts';

/**
 * The layer of the files that dependencies are made from: only these files, named relative to the build context. A
 * link is packed as the file it leads to; the executable bit is dropped, because it says nothing about dependencies.
 * Throws PACK_REFUSED for a path that is no file or leads out of the context.
 */
export async function dependencyLayer(
  contextDir: string,
  files: readonly string[],
): Promise<LayerTree> {
  const context = await realpath(contextDir);
  const paths = new Set(files.map((file) => posix.normalize(file)));
  const entries = await Promise.all([...paths].map((path) => dependencyFile(context, path)));
  return { root: 'the dependency files', contextDir: context, entries: inTarOrder(entries) };
}

async function dependencyFile(contextDir: string, path: string): Promise<FileEntry> {
  const real = await realpath(join(contextDir, path)).catch(() => undefined);
  if (
    path.startsWith('/') ||
    isOutside(path) ||
    (real !== undefined && !isInside(contextDir, real))
  ) {
    throw refusal(path, 'is not below the current directory');
  }
  const stats = real === undefined ? undefined : await stat(real, { bigint: true });
  if (real === undefined || stats?.isFile() !== true) throw refusal(path, 'is no existing file');
  const from = posix.relative(contextDir, real);
  const { mtimeNs, ctimeNs, ino } = stats;
  const size = Number(stats.size);
  return { kind: 'file', path, from, size, executable: false, stamp: { mtimeNs, ctimeNs, ino } };
}

function refusal(path: string, reason: string): AppError {
  return new AppError('PACK_REFUSED', `The dependency file ${path} ${reason}.`, {
    hint: 'Name an existing file below the directory you run caliban from.',
    context: { paths: [path] },
  });
}
