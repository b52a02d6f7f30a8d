import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cutLog, remark } from '../../attempts/log-limit.ts';
import { orAbsent, placeDurably } from '../../durable-file.ts';
import type { OutputPiece } from './log-frames.ts';
import { type LogParts, type LogRun, parseParts, partLines, runsOf } from './log-parts.ts';

/** The one writer of an attempt's log. After an error it must be opened again. */
export interface LogCopy {
  /** Appends what was printed; nothing once the log is full. */
  append(pieces: readonly OutputPiece[]): Promise<void>;
  /** How many bytes of a stream the log has, of what the engine's copy begins with. */
  written(stream: OutputPiece['stream']): number;
  /** With which bytes each stream begins, as far as the log tells; at most 1 KiB. */
  beginnings(): Promise<Beginnings>;
  /** Appends a line of ours, behind which the engine's copy is read from its beginning again. */
  startAnew(text: string): Promise<void>;
  /** Appends a line of ours that is gone when the log is opened again. */
  conclude(text: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The first bytes of each stream. */
export type Beginnings = Readonly<Record<OutputPiece['stream'], Buffer>>;

/** Beside the log, which has both streams as they came, tells which bytes are of which stream. */
export const LOG_PARTS = 'log.parts';

const BEGINNING_BYTES = 1024;
// Records are put together now and then, so that their file stays short.
const MAX_RECORDS = 5000;

/**
 * Opens the log of an attempt to go on with it. `log.parts` has a line `<stream> <bytes>` for each run of bytes, written before them:
 * so the place in each stream is known after a crash at any instant, and what the engine kept can be gone on with exactly there.
 * A log that has more than `maxBytes` is full, for good (log-limit.ts).
 */
export async function openLogCopy(directory: string, maxBytes: number): Promise<LogCopy> {
  const path = join(directory, 'log');
  if (await cutLog(path, maxBytes)) return FULL;
  const log = await open(path, 'a+');
  try {
    const text = (await orAbsent(readFile(join(directory, LOG_PARTS), 'utf8'))) ?? '';
    const parts = parseParts(text, (await log.stat()).size);
    // A power cut may have kept more of the log than of its parts.
    await log.truncate(parts.size);
    const files = { directory, log, parts, records: await startRecords(directory, log, parts) };
    return logCopy(files, maxBytes);
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** Ends a log with lines of ours; they are gone when the log is opened again: what they say is missing may be found after all. */
export async function concludeLog(
  { directory, maxBytes }: { readonly directory: string; readonly maxBytes: number },
  texts: readonly string[],
): Promise<void> {
  const copy = await openLogCopy(directory, maxBytes);
  try {
    for (const text of texts) await copy.conclude(text);
  } finally {
    await copy.close();
  }
}

interface OpenFiles {
  readonly directory: string;
  readonly log: FileHandle;
  readonly parts: LogParts;
  records: FileHandle;
}

const NOTHING = Buffer.alloc(0);

const FULL: LogCopy = {
  append: async () => undefined,
  written: () => 0,
  beginnings: async () => ({ 1: NOTHING, 2: NOTHING }),
  startAnew: async () => undefined,
  conclude: async () => undefined,
  sync: async () => undefined,
  close: async () => undefined,
};

function logCopy(files: OpenFiles, maxBytes: number): LogCopy {
  const { directory, log, parts } = files;
  let isFull = false;
  let added = 0;

  async function add(runs: readonly LogRun[], bytes: Buffer): Promise<void> {
    await files.records.appendFile(partLines(runs));
    await log.appendFile(bytes);
    for (const run of runs) parts.add(run);
    isFull = parts.size > maxBytes && (await cutLog(join(directory, 'log'), maxBytes));
    added += runs.length;
    if (added < MAX_RECORDS || isFull) return;
    await files.records.close();
    files.records = await startRecords(directory, log, parts);
    added = 0;
  }

  return {
    async append(pieces) {
      const runs = runsOf(pieces);
      if (isFull || runs.length === 0) return;
      await add(runs, Buffer.concat(pieces.map(({ bytes }) => bytes)));
    },
    written: (stream) => parts.written(stream),
    beginnings: () => beginningsOf(log, parts),
    async startAnew(text) {
      if (isFull) return;
      const line = await wholeLine(log, text);
      await add([{ stream: 0, bytes: line.length }], line);
    },
    async conclude(text) {
      if (isFull) return;
      await log.appendFile(await wholeLine(log, text));
      await cutLog(join(directory, 'log'), maxBytes);
    },
    sync: () => log.sync(),
    close: async () => {
      await files.records.close();
      await log.close();
    },
  };
}

// Put together, records no longer tell in which order the bytes came: they may only be of bytes that a power cut leaves.
async function startRecords(
  directory: string,
  log: FileHandle,
  parts: LogParts,
): Promise<FileHandle> {
  if (parts.size > 0) {
    await log.sync();
    await placeDurably(directory, LOG_PARTS, parts.text());
    return open(join(directory, LOG_PARTS), 'a');
  }
  return open(join(directory, LOG_PARTS), 'w');
}

async function wholeLine(log: FileHandle, text: string): Promise<Buffer> {
  const { size } = await log.stat();
  const last = Buffer.from('\n');
  if (size > 0) await log.read(last, 0, 1, size - 1);
  const line = remark(text);
  return last.toString() === '\n' ? line : Buffer.concat([Buffer.from('\n'), line]);
}

async function beginningsOf(log: FileHandle, parts: LogParts): Promise<Beginnings> {
  const found: { 1: Buffer; 2: Buffer } = { 1: NOTHING, 2: NOTHING };
  for (const { stream, at, bytes } of parts.firstRuns()) {
    if (stream === 0) continue;
    const length = Math.min(bytes, BEGINNING_BYTES - found[stream].length);
    const piece = Buffer.alloc(length);
    if (length > 0) await log.read(piece, 0, length, at);
    found[stream] = Buffer.concat([found[stream], piece]);
  }
  return found;
}
