import pLimit from 'p-limit';
import type { TarEntry } from '../../../../shared/layers/tar-reader.ts';
import type { ExtractTree, OpenFile } from './extract-tree.ts';

/** Writes files whose content arrives in pieces, one file after the other. */
export interface FileWriter {
  begin(entry: TarEntry): Promise<void>;
  content(bytes: Uint8Array): Promise<void>;
  /** Waits for all writes. Throws the first failure. */
  finish(): Promise<void>;
}

interface Current {
  readonly entry: TarEntry;
  /** Where a small file is gathered. */
  readonly gathered: Uint8Array | undefined;
  readonly file: OpenFile | undefined;
  received: number;
}

/** Gathered in memory, so that several are written at once; larger files are written as they arrive. */
const SMALL_FILE_BYTES = 256 * 1024;
const WRITES_AT_ONCE = 8;
const MAX_WAITING = 64;

/** A writer into a tree; at most 16 MiB of small files wait in memory. */
export function createFileWriter(tree: ExtractTree): FileWriter {
  const limit = pLimit(WRITES_AT_ONCE);
  const waiting = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let current: Current | undefined;

  async function writeLater(entry: TarEntry, bytes: Uint8Array): Promise<void> {
    const writing: Promise<void> = limit(() => tree.file(entry, bytes))
      .catch((error: unknown) => void failures.push(error))
      .finally(() => waiting.delete(writing));
    waiting.add(writing);
    if (waiting.size >= MAX_WAITING) await Promise.race(waiting);
    throwFailure();
  }

  function throwFailure(): void {
    if (failures.length > 0) throw failures[0];
  }

  async function endIfWhole(): Promise<void> {
    if (current === undefined || current.received < current.entry.size) return;
    const { entry, gathered, file } = current;
    current = undefined;
    if (gathered === undefined) await file?.close();
    else await writeLater(entry, gathered);
  }

  return {
    async begin(entry) {
      const isSmall = entry.size <= SMALL_FILE_BYTES;
      const gathered = isSmall ? new Uint8Array(entry.size) : undefined;
      const file = isSmall ? undefined : await tree.openFile(entry);
      current = { entry, gathered, file, received: 0 };
      await endIfWhole();
    },
    async content(bytes) {
      if (current === undefined) return;
      current.gathered?.set(bytes, current.received);
      await current.file?.append(bytes);
      current.received += bytes.length;
      await endIfWhole();
    },
    async finish() {
      await current?.file?.close();
      await Promise.all(waiting);
      throwFailure();
    },
  };
}
