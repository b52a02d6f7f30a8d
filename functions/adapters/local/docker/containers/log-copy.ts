import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { orAbsent, replaceFile } from '../../durable-file.ts';
import type { OutputPiece } from './log-frames.ts';

/** The one writer of an attempt's log. */
export interface LogCopy {
  /** Appends what was printed. After an error it must be opened again. */
  append(pieces: readonly OutputPiece[]): Promise<void>;
  /** How many bytes of a stream the log has. */
  written(stream: OutputPiece['stream']): number;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Beside the log, which has both streams as they came, tells which bytes are of which stream. */
export const LOG_PARTS = 'log.parts';

// Records are put together now and then, so that their file stays short.
const MAX_RECORDS = 5000;

/**
 * Opens the log of an attempt to go on with it. `log.parts` has a line `<stream> <bytes>` for each run of bytes, written before them:
 * so the place in each stream is known after a crash at any instant, and what the engine kept can be gone on with exactly there.
 */
export async function openLogCopy(directory: string): Promise<LogCopy> {
  const partsPath = join(directory, LOG_PARTS);
  const log = await open(join(directory, 'log'), 'a');
  try {
    const { size } = await log.stat();
    const written = writtenOf((await orAbsent(readFile(partsPath, 'utf8'))) ?? '', size);
    // A power cut may have kept more of the log than of its parts.
    await log.truncate(written[1] + written[2]);
    return logCopy(log, await startParts(partsPath, written), { partsPath, written });
  } catch (error) {
    await log.close();
    throw error;
  }
}

type Written = Record<OutputPiece['stream'], number>;

function logCopy(
  log: FileHandle,
  firstParts: FileHandle,
  { partsPath, written }: { readonly partsPath: string; readonly written: Written },
): LogCopy {
  let parts = firstParts;
  let records = 0;
  return {
    async append(pieces) {
      const lines = recordsOf(pieces);
      if (lines.length === 0) return;
      await parts.appendFile(lines.join(''));
      await log.appendFile(Buffer.concat(pieces.map(({ bytes }) => bytes)));
      for (const { stream, bytes } of pieces) written[stream] += bytes.length;
      records += lines.length;
      if (records < MAX_RECORDS) return;
      await parts.close();
      parts = await startParts(partsPath, written);
      records = 0;
    },
    written: (stream) => written[stream],
    sync: () => log.sync(),
    close: async () => {
      await parts.close();
      await log.close();
    },
  };
}

// What was written before the log's bytes may be of bytes that never followed.
function writtenOf(parts: string, logSize: number): Written {
  const written: Written = { 1: 0, 2: 0 };
  let left = logSize;
  for (const [, stream, bytes] of parts.matchAll(/^([12]) (\d{1,15})\n/gm)) {
    const length = Math.min(Number(bytes), left);
    written[stream === '1' ? 1 : 2] += length;
    left -= length;
  }
  return written;
}

function recordsOf(pieces: readonly OutputPiece[]): readonly string[] {
  const runs: { readonly stream: number; length: number }[] = [];
  for (const { stream, bytes } of pieces) {
    const last = runs.at(-1);
    if (last?.stream === stream) last.length += bytes.length;
    else if (bytes.length > 0) runs.push({ stream, length: bytes.length });
  }
  return runs.map(({ stream, length }) => `${stream} ${length}\n`);
}

async function startParts(path: string, written: Written): Promise<FileHandle> {
  await replaceFile(path, `1 ${written[1]}\n2 ${written[2]}\n`);
  return open(path, 'a');
}
