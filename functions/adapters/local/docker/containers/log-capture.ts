import type { Readable } from 'node:stream';
import { createKeptOutput } from './kept-output.ts';
import { type LogCopy, openLogCopy } from './log-copy.ts';
import { type OutputPiece, outputPieces } from './log-frames.ts';

/** The copying of a container's output into its attempt's log. */
export interface Capture {
  /** Resolves when the stream has ended; rejects when it broke, or when the log cannot be written. */
  readonly done: Promise<void>;
  /** Ends it early; `done` then resolves in any case, and what was read is written. */
  stop(): void;
}

/** Copies a stream that has the output from its first byte on: one that was attached before the start. */
export function captureAttached(directory: string, stream: Readable): Capture {
  return capture(directory, stream, (copy, pieces) => copy.append(pieces));
}

/** Copies what the engine kept, from where the log ends. Once it is done, the log is on disk. */
export function captureKept(directory: string, stream: Readable): Capture {
  const printedOf = createKeptOutput();
  const seen = { 1: 0, 2: 0 };
  const missingOf = (copy: LogCopy, kept: OutputPiece): OutputPiece => {
    const { stream: number, bytes } = printedOf(kept);
    const skip = Math.max(0, copy.written(number) - seen[number]);
    seen[number] += bytes.length;
    return { stream: number, bytes: bytes.subarray(skip) };
  };
  return capture(directory, stream, (copy, pieces) =>
    copy.append(pieces.map((kept) => missingOf(copy, kept))),
  );
}

function capture(
  directory: string,
  stream: Readable,
  take: (copy: LogCopy, pieces: readonly OutputPiece[]) => Promise<void>,
): Capture {
  let isStopped = false;
  const copied = copyAll(directory, stream, take);
  return {
    done: copied.catch((error: unknown) => {
      if (!isStopped) throw error;
    }),
    stop: () => {
      isStopped = true;
      stream.destroy();
    },
  };
}

async function copyAll(
  directory: string,
  stream: Readable,
  take: (copy: LogCopy, pieces: readonly OutputPiece[]) => Promise<void>,
): Promise<void> {
  try {
    const copy = await openLogCopy(directory);
    try {
      for await (const pieces of outputPieces(stream)) await take(copy, pieces);
      await copy.sync();
    } finally {
      await copy.close();
    }
  } finally {
    stream.destroy();
  }
}
