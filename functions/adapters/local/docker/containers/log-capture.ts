import type { Readable } from 'node:stream';
import { createKeptOutput } from './kept-output.ts';
import { type LogCopy, openLogCopy } from './log-copy.ts';
import { type OutputPiece, outputPieces } from './log-frames.ts';

/** The copying of a container's output into its attempt's log. */
export interface Capture {
  /** Resolves when the stream has ended; rejects when it broke, when the log cannot be written, and with OutputDropped. */
  readonly done: Promise<void>;
  /** Ends it early; `done` then resolves in any case, and what was read is written. */
  stop(): void;
}

/** The log of an attempt, and its limit. */
export interface CapturedLog {
  readonly directory: string;
  readonly maxBytes: number;
}

/**
 * The engine's copy of an output does not begin with what the log has of it: the engine has dropped its beginning. The log says so now;
 * read once more, the whole copy is appended.
 */
export class OutputDropped extends Error {
  constructor() {
    super('The engine has dropped the beginning of its copy of an output.');
    this.name = 'OutputDropped';
  }
}

/** Copies a stream that has the output from its first byte on: one that was attached before the start. */
export function captureAttached(log: CapturedLog, stream: Readable): Capture {
  return capture(log, stream, async (copy) => ({
    take: (pieces) => copy.append(pieces),
    end: () => Promise.resolve(),
  }));
}

/** Copies what the engine kept, from where the log ends. Once it is done, the log is on disk. `hasExited`: the container prints no more. */
export function captureKept(
  { hasExited, ...log }: CapturedLog & { readonly hasExited: boolean },
  stream: Readable,
): Capture {
  const maxLacking = Math.floor(log.maxBytes * MAX_LACKING);
  return capture(log, stream, async (copy) => {
    const printedOf = createKeptOutput();
    const beginnings = await copy.beginnings();
    const seen = { 1: 0, 2: 0 };
    const startAnew = async () => {
      await copy.startAnew(DROPPED);
      throw new OutputDropped();
    };
    return {
      async take(kept) {
        const printed = kept.map(printedOf);
        const missing: OutputPiece[] = [];
        for (const { stream: number, bytes } of printed) {
          if (!isSame(beginnings[number], seen[number], bytes)) return startAnew();
          const skip = Math.max(0, copy.written(number) - seen[number]);
          seen[number] += bytes.length;
          missing.push({ stream: number, bytes: bytes.subarray(skip) });
        }
        await copy.append(missing);
      },
      async end() {
        const lacks = ([1, 2] as const).some(
          (each) => copy.written(each) - seen[each] > maxLacking,
        );
        if (hasExited && lacks) await startAnew();
      },
    };
  });
}

const DROPPED =
  'output is missing here, or comes twice: the engine dropped the beginning of its copy';
// An engine that was killed may lack a little of what was caught, and some engines lack the newline of a long line at the very end.
const MAX_LACKING = 1 / 64;

/** Whether these bytes of the copy, at a place in their stream, are what the log has there, as far as that is known. */
function isSame(beginning: Buffer, at: number, bytes: Buffer): boolean {
  const known = beginning.subarray(at, at + bytes.length);
  return known.equals(bytes.subarray(0, known.length));
}

interface Taking {
  take(pieces: readonly OutputPiece[]): Promise<void>;
  /** The stream has ended by itself. */
  end(): Promise<void>;
}

function capture(
  log: CapturedLog,
  stream: Readable,
  begin: (copy: LogCopy) => Promise<Taking>,
): Capture {
  let isStopped = false;
  const beginUnlessStopped = async (copy: LogCopy) => {
    const taking = await begin(copy);
    return { ...taking, end: async () => (isStopped ? undefined : taking.end()) };
  };
  const copied = copyAll(log, stream, beginUnlessStopped);
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
  { directory, maxBytes }: CapturedLog,
  stream: Readable,
  begin: (copy: LogCopy) => Promise<Taking>,
): Promise<void> {
  try {
    const copy = await openLogCopy(directory, maxBytes);
    try {
      const { take, end } = await begin(copy);
      for await (const pieces of outputPieces(stream)) await take(pieces);
      await end();
      await copy.sync();
    } finally {
      await copy.close();
    }
  } finally {
    stream.destroy();
  }
}
