import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, type Gzip } from 'node:zlib';
import { AppError } from '../../shared/errors/app-error.ts';
import { errorCode } from './error-code.ts';
import type { LayerTree } from './layer-tree.ts';
import { changedWhilePacked } from './refusal.ts';
import { tarBlocks, tarSize } from './tar-blocks.ts';

/** The identity of a layer: what the service knows it by. */
export interface LayerKey {
  /** sha256 of the uncompressed tar, bare hex. */
  readonly diffId: string;
  /** Bytes of the uncompressed tar. */
  readonly uncompressedSize: number;
}

/** A layer's compressed bytes in a file, so that an upload can resume at any offset. */
export interface SpooledBlob {
  readonly path: string;
  /** Bytes of the compressed file. */
  readonly size: number;
  readonly encoding: 'gzip';
}

/** Python sources: 22 % of their size at 73 MB/s, against 21 % at 39 MB/s with the default 6 (measured). */
const GZIP_LEVEL = 4;

/** The layer's key, by reading the tree once. Throws PACK_REFUSED when the tree does not hold still or cannot be read. */
export async function hashLayer(tree: LayerTree, signal?: AbortSignal): Promise<LayerKey> {
  const hash = createHash('sha256');
  for await (const chunk of tarBlocks(tree)) {
    signal?.throwIfAborted();
    hash.update(chunk);
  }
  return { diffId: hash.digest('hex'), uncompressedSize: tarSize(tree) };
}

/**
 * Writes the layer's compressed tar to `dir/DIFFID.tar.gz`, for a layer the service does not have. The file appears
 * only when whole and still of that key; the caller removes it. Throws PACK_REFUSED when the tree changed since it was
 * hashed, DATA_DIR_UNUSABLE when the file cannot be written.
 */
export async function spoolLayer(
  tree: LayerTree,
  to: { readonly diffId: string; readonly dir: string; readonly signal?: AbortSignal },
): Promise<SpooledBlob> {
  const path = join(to.dir, `${to.diffId}.tar.gz`);
  const partial = `${path}.${process.pid}.partial`;
  try {
    await mkdir(to.dir, { recursive: true });
    const diffId = await compress(tree, partial, to.signal);
    if (diffId !== to.diffId)
      throw changedWhilePacked(tree.root === '.' ? 'The directory' : tree.root);
    await rename(partial, path);
    return { path, size: (await stat(path)).size, encoding: 'gzip' };
  } catch (error) {
    // The first failure is the one to report, also when there was nothing to remove.
    await rm(partial, { force: true }).catch(() => undefined);
    throw spoolFailure(to.dir, error);
  }
}

async function compress(tree: LayerTree, path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const gzip = createGzip({ level: GZIP_LEVEL });
  const feed = async (): Promise<void> => {
    try {
      for await (const chunk of tarBlocks(tree)) {
        hash.update(chunk);
        await writeWhole(gzip, chunk);
      }
      gzip.end();
    } catch (error) {
      gzip.destroy(error instanceof Error ? error : undefined);
      throw error;
    }
  };
  const options = signal === undefined ? {} : { signal };
  const written = pipeline(gzip, createWriteStream(path, { mode: 0o600 }), options);
  // Both have ended before the file is touched again; the pipeline has the first cause, whichever side failed.
  const outcomes = await Promise.allSettled([written, feed()]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return hash.digest('hex');
}

/** Ends when the bytes were compressed, because the buffer they are in is used again. */
async function writeWhole(gzip: Gzip, chunk: Buffer): Promise<void> {
  if (gzip.destroyed) throw gzip.errored ?? new Error('the compressed file was closed');
  await new Promise<void>((resolve, reject) => {
    gzip.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

function spoolFailure(dir: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined) return error;
  return new AppError('DATA_DIR_UNUSABLE', `Cannot write packed layers to ${dir} (${code}).`, {
    hint: 'Free some space there, or point TMPDIR to a directory with room.',
    cause: error,
  });
}
