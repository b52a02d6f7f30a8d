import { closeSync, constants, fstatSync, open, read } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TAR_BLOCK, tarPadding } from '../../shared/layers/tar-header.ts';
import { errorCode } from './error-code.ts';
import { forEachBounded } from './for-each-bounded.ts';
import type { FileEntry, LayerTree } from './layer-tree.ts';
import { changedWhilePacked, packRefusal } from './refusal.ts';
import { tarHeader } from './tar-header.ts';

/** A stretch of a file and where it goes in its chunk. */
interface Stretch {
  readonly file: FileEntry;
  readonly position: number;
  readonly at: number;
  readonly length: number;
}

interface Chunk {
  length: number;
  readonly headers: { readonly at: number; readonly bytes: Buffer }[];
  readonly reads: Stretch[];
}

/** A multiple of TAR_BLOCK, so that no content is padded across chunks. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Chunks filled ahead of the one handed out; with 4 readers each this bounds memory (12 MiB) and open files. */
const CHUNKS_AHEAD = 2;
const READERS = 4;

const TRAILER_BYTES = 2 * TAR_BLOCK;

/** Bytes of the tree's tar, known without opening a file. */
export function tarSize(tree: LayerTree): number {
  let size = TRAILER_BYTES;
  for (const entry of tree.entries) {
    size += tarHeader(entry).length;
    if (entry.kind === 'file') size += entry.size + tarPadding(entry.size);
  }
  return size;
}

/**
 * The tree's tar, in chunks of up to 4 MiB. Every file's place is known from its size, so files are read in parallel
 * straight into their place while the chunk before is hashed or compressed. A chunk is valid until the next is asked
 * for. Throws PACK_REFUSED when a file changed its size or cannot be read.
 */
export async function* tarBlocks(tree: LayerTree): AsyncGenerator<Buffer> {
  const free = Array.from({ length: CHUNKS_AHEAD + 1 }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES));
  const filling: { readonly buffer: Buffer<ArrayBuffer>; readonly length: Promise<number> }[] = [];
  const chunks = layOut(tree);
  const fillFree = (): void => {
    while (free.length > 0) {
      const { value: chunk } = chunks.next();
      const buffer = chunk && free.pop();
      if (chunk === undefined || buffer === undefined) return;
      const length = fill(chunk, buffer, tree.contextDir);
      // Awaited in turn below; until then a failure must not count as unhandled.
      length.catch(() => undefined);
      filling.push({ buffer, length });
    }
  };
  try {
    for (fillFree(); filling.length > 0; fillFree()) {
      const [first] = filling;
      if (first === undefined) return;
      yield first.buffer.subarray(0, await first.length);
      filling.shift();
      free.push(first.buffer);
    }
  } finally {
    await Promise.allSettled(filling.map(({ length }) => length));
  }
}

/** Places every header and file; a header never straddles two chunks. */
function* layOut(tree: LayerTree): Generator<Chunk, undefined> {
  let chunk = emptyChunk();
  for (const entry of tree.entries) {
    const bytes = tarHeader(entry);
    if (chunk.length + bytes.length > CHUNK_BYTES) {
      yield chunk;
      chunk = emptyChunk();
    }
    chunk.headers.push({ at: chunk.length, bytes });
    chunk.length += bytes.length;
    let position = 0;
    while (entry.kind === 'file' && position < entry.size) {
      if (chunk.length === CHUNK_BYTES) {
        yield chunk;
        chunk = emptyChunk();
      }
      const length = Math.min(entry.size - position, CHUNK_BYTES - chunk.length);
      chunk.reads.push({ file: entry, position, at: chunk.length, length });
      chunk.length += length + tarPadding(length);
      position += length;
    }
  }
  if (chunk.length + TRAILER_BYTES > CHUNK_BYTES) {
    yield chunk;
    chunk = emptyChunk();
  }
  chunk.headers.push({ at: chunk.length, bytes: Buffer.alloc(TRAILER_BYTES) });
  chunk.length += TRAILER_BYTES;
  yield chunk;
}

function emptyChunk(): Chunk {
  return { length: 0, headers: [], reads: [] };
}

async function fill(chunk: Chunk, buffer: Buffer, contextDir: string): Promise<number> {
  for (const { at, bytes } of chunk.headers) bytes.copy(buffer, at);
  await forEachBounded(chunk.reads, READERS, async (stretch) => {
    const end = stretch.at + stretch.length;
    await readInto(buffer.subarray(stretch.at, end), stretch, contextDir);
    buffer.fill(0, end, end + tarPadding(stretch.length));
  });
  return chunk.length;
}

const openAsync = promisify(open);
const readAsync = promisify(read);

/**
 * Opening and reading wait for the disk and go to the thread pool; the size and the closing of an open file do not, and
 * doing them here halves the time a tree of small files takes.
 */
async function readInto(target: Buffer, stretch: Stretch, contextDir: string): Promise<void> {
  const { file } = stretch;
  try {
    // Not following links and not blocking: the file may have become a link or a pipe since the walk.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const descriptor = await openAsync(join(contextDir, file.from), flags);
    try {
      await readWhole(descriptor, target, stretch);
      if (fstatSync(descriptor).size !== file.size) throw changedWhilePacked(file.from);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw readFailure(file.from, error);
  }
}

async function readWhole(
  descriptor: number,
  target: Buffer,
  { file, position }: Stretch,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const left = target.length - done;
    const { bytesRead } = await readAsync(descriptor, target, done, left, position + done);
    if (bytesRead === 0) throw changedWhilePacked(file.from);
    done += bytesRead;
  }
}

/** What a system error says about the file: it is no longer what was walked, or it cannot be read. */
function readFailure(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || code === 'EMFILE' || code === 'ENFILE') return error;
  if (GONE.has(code)) return changedWhilePacked(path);
  return packRefusal([{ path, reason: `cannot be read (${code})` }], 'Make it readable.');
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EMLINK', 'ENXIO']);
