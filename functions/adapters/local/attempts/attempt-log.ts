import { type FileHandle, open } from 'node:fs/promises';
import { wholeUtf8Length } from '../../../../shared/jobs/utf8-boundary.ts';
import { orAbsent } from '../durable-file.ts';
import { cutOf, type LogCut } from './log-limit.ts';

/** A piece of a growing text file. */
export interface FilePiece {
  readonly text: string;
  /** Byte offset to go on from. */
  readonly next: number;
  readonly atEnd: boolean;
}

/** `complete`: the file grows no more. `limit`: the one of a job's log; without it the file is read as it is. */
export interface PieceOptions {
  readonly maxBytes: number;
  readonly complete: boolean;
  readonly limit?: number;
}

/**
 * Reads at most `maxBytes` (at least 4) from a byte offset, never cutting a character; a character cut at the end of the
 * file is left for later unless the file is `complete`. A file that is not there is empty, and so is what is behind the end: a log
 * over its limit ends there with the line that says so, also when nobody has cut it yet.
 */
export async function readPiece(
  path: string,
  from: number,
  { maxBytes, complete, limit = Number.POSITIVE_INFINITY }: PieceOptions,
): Promise<FilePiece> {
  const file = await orAbsent(open(path, 'r'));
  if (file === null) return { text: '', next: from, atEnd: true };
  try {
    const cut = await cutOf(file, limit);
    const buffer = Buffer.alloc(Math.max(4, maxBytes));
    const bytes = await read(file, buffer, { from, cut, limit });
    const size = cut === null ? (await file.stat()).size : cut.at + cut.line.length;
    const isTail = complete && from + bytes.length >= size;
    const length = isTail ? bytes.length : wholeUtf8Length(bytes);
    const next = from + length;
    return { text: bytes.toString('utf8', 0, length), next, atEnd: next >= size };
  } finally {
    await file.close();
  }
}

async function read(
  file: FileHandle,
  buffer: Buffer,
  place: { readonly from: number; readonly cut: LogCut | null; readonly limit: number },
): Promise<Buffer> {
  const { from, cut, limit } = place;
  // It may grow over its limit meanwhile.
  const room = Math.min(buffer.length, Math.max(0, (cut?.at ?? limit) - from));
  const { bytesRead } = await file.read(buffer, 0, room, from);
  if (cut === null || bytesRead < room) return buffer.subarray(0, bytesRead);
  const line = cut.line.subarray(Math.max(0, from - cut.at));
  return buffer.subarray(0, room + line.copy(buffer, room));
}
