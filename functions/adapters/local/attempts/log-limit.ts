import { constants, lstatSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { wholeUtf8Length } from '../../../../shared/jobs/utf8-boundary.ts';

/** Where a log ends that has more than its limit, and the line that stands there in place of the rest. */
export interface LogCut {
  readonly at: number;
  readonly line: Buffer;
  /** The file has the line there already. */
  readonly isWritten: boolean;
}

/**
 * A log keeps its first bytes up to its limit, no character cut, and then a line that says so; what follows is not kept. Since file and
 * line have more than the limit together, the size tells that a log is full. Null: this one is not. Readers may use it on a log that
 * was not cut yet: its content is the same before and after.
 */
export async function cutOf(file: FileHandle, maxBytes: number): Promise<LogCut | null> {
  const { size } = await file.stat();
  if (size <= maxBytes) return null;
  const line = limitLine(maxBytes);
  const from = Math.max(0, maxBytes - LONGEST_CHARACTER);
  const found = await bytesAt(file, from, maxBytes - from + NEWLINE.length + line.length);
  const written = found.indexOf(line);
  if (written !== -1) return { at: from + written, line, isWritten: true };
  const kept = wholeUtf8Length(found.subarray(0, maxBytes - from));
  const isLineStart = from + kept === 0 || found[kept - 1] === NEWLINE[0];
  const whole = isLineStart ? line : Buffer.concat([NEWLINE, line]);
  return { at: from + kept, line: whole, isWritten: false };
}

/**
 * Cuts a log that has more than its limit; tells whether it has. Its program may go on appending meanwhile (O_APPEND takes it to the
 * new end), and this may end at any instant: the next call goes on. What is no file, or is not there, is left alone.
 */
export async function cutLog(path: string, maxBytes: number): Promise<boolean> {
  // Asked at the end of each job: a trip to the thread pool, where syncs wait for the disk, takes longer.
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile() || found.size <= maxBytes) return false;
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const cut = await cutOf(file, maxBytes);
    if (cut === null) return false;
    const end = cut.at + cut.line.length;
    // First, so that a full disk has room for the line. It stays above the limit at every instant.
    await shorten(file, end);
    if (!cut.isWritten) {
      await file.write(cut.line, 0, cut.line.length, cut.at);
      await shorten(file, end);
    }
    return true;
  } finally {
    await file.close();
  }
}

/** A line of ours in a log. */
export function remark(text: string): Buffer {
  return Buffer.from(`[caliban: ${text}]\n`);
}

const LONGEST_CHARACTER = 4;
const NEWLINE = Buffer.from('\n');

function limitLine(maxBytes: number): Buffer {
  return remark(`the log has reached its limit of ${sizeText(maxBytes)}; what follows is not kept`);
}

const UNITS = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
] as const;

/** A size in the largest unit of which it is a whole number. */
export function sizeText(bytes: number): string {
  const [unit, size] = UNITS.find(([, each]) => bytes % each === 0) ?? ['bytes', 1];
  return `${bytes / size} ${unit}`;
}

async function shorten(file: FileHandle, length: number): Promise<void> {
  if ((await file.stat()).size > length) await file.truncate(length);
}

async function bytesAt(file: FileHandle, from: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, from);
  return buffer.subarray(0, bytesRead);
}
