import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.ts';
import { forEachBounded } from './for-each-bounded.ts';
import type { FileEntry, LayerTree } from './layer-tree.ts';
import { changedWhilePacked, packRefusal } from './refusal.ts';
import { TAR_BLOCK, tarHeader, tarPadding } from './tar-header.ts';

/** A stretch of a file and where it goes in its chunk. */
interface Read {
  readonly file: FileEntry;
  readonly position: number;
  readonly at: number;
  readonly length: number;
}

interface Chunk {
  length: number;
  readonly headers: { readonly at: number; readonly bytes: Buffer }[];
  readonly reads: Read[];
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
  await forEachBounded(chunk.reads, READERS, async (read) => {
    const end = read.at + read.length;
    await readInto(buffer.subarray(read.at, end), read, contextDir);
    buffer.fill(0, end, end + tarPadding(read.length));
  });
  return chunk.length;
}

async function readInto(target: Buffer, read: Read, contextDir: string): Promise<void> {
  try {
    // Not following links and not blocking: the file may have become a link or a pipe since the walk.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(join(contextDir, read.file.from), flags);
    try {
      await readWhole(handle, target, read);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw readFailure(read.file.from, error);
  }
}

async function readWhole(
  handle: FileHandle,
  target: Buffer,
  { file, position }: Read,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) throw changedWhilePacked(file.from);
    done += bytesRead;
  }
  if ((await handle.stat()).size !== file.size) throw changedWhilePacked(file.from);
}

/** What a system error says about the file: it is no longer what was walked, or it cannot be read. */
function readFailure(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || code === 'EMFILE' || code === 'ENFILE') return error;
  if (GONE.has(code)) return changedWhilePacked(path);
  return packRefusal([{ path, reason: `cannot be read (${code})` }], 'Make it readable.');
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EMLINK', 'ENXIO']);
