import { open } from 'node:fs/promises';
import { wholeUtf8Length } from '../../../../shared/jobs/utf8-boundary.ts';
import { orAbsent } from '../durable-file.ts';

/** A piece of a growing text file. */
export interface FilePiece {
  readonly text: string;
  /** Byte offset to go on from. */
  readonly next: number;
  readonly atEnd: boolean;
}

/**
 * Reads at most `maxBytes` (at least 4) from a byte offset, never cutting a character; a character cut at the end of the
 * file is left for later unless the file is `complete`. A file that is not there is empty.
 */
export async function readPiece(
  path: string,
  from: number,
  options: { readonly maxBytes: number; readonly complete: boolean },
): Promise<FilePiece> {
  const file = await orAbsent(open(path, 'r'));
  if (file === null) return { text: '', next: from, atEnd: true };
  try {
    const buffer = Buffer.alloc(Math.max(4, options.maxBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const { size } = await file.stat();
    const bytes = buffer.subarray(0, bytesRead);
    const isTail = options.complete && from + bytesRead >= size;
    const length = isTail ? bytes.length : wholeUtf8Length(bytes);
    const next = from + length;
    return { text: bytes.toString('utf8', 0, length), next, atEnd: next >= size };
  } finally {
    await file.close();
  }
}
