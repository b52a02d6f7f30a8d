import type { OutputPiece } from './log-frames.ts';

type Stream = OutputPiece['stream'];

/** A run of bytes of a log: of a stream, or 0: a line of ours, behind which the engine's copy is read from its beginning again. */
export interface LogRun {
  readonly stream: Stream | 0;
  readonly bytes: number;
}

/** Which bytes of a log are of which stream. */
export interface LogParts {
  /** Of the log, as far as the parts know it. */
  readonly size: number;
  /** How many bytes the log has of a stream, since the last line of ours. */
  written(stream: Stream): number;
  add(run: LogRun): void;
  /** The first runs since the last line of ours, and their places in the log. */
  firstRuns(): readonly (LogRun & { readonly at: number })[];
  /** As lines, put together: short, however much was added. */
  text(): string;
}

/** Enough for where a stream begins; later runs are only counted. */
const FIRST_RUNS = 64;

/** What lines `<stream> <bytes>` tell of a log of so many bytes. They are written before the bytes, so the last ones may be of bytes that never followed. */
export function parseParts(text: string, logSize: number): LogParts {
  const parts = noParts();
  for (const [, stream, bytes] of text.matchAll(/([012]) (\d{1,15})\n/gy)) {
    const left = logSize - parts.size;
    parts.add({ stream: streamOf(stream), bytes: Math.min(Number(bytes), left) });
  }
  return parts;
}

/** The lines of runs that are added. */
export function partLines(runs: readonly LogRun[]): string {
  return runs.map(({ stream, bytes }) => `${stream} ${bytes}\n`).join('');
}

/** What pieces of output add. */
export function runsOf(pieces: readonly OutputPiece[]): readonly LogRun[] {
  const runs: { readonly stream: Stream; bytes: number }[] = [];
  for (const { stream, bytes } of pieces) {
    const last = runs.at(-1);
    if (last?.stream === stream) last.bytes += bytes.length;
    else if (bytes.length > 0) runs.push({ stream, bytes: bytes.length });
  }
  return runs;
}

function noParts(): LogParts {
  let before = 0;
  let first: LogRun[] = [];
  let written = { 1: 0, 2: 0 };
  let later = { 1: 0, 2: 0 };
  return {
    get size() {
      return before + written[1] + written[2];
    },
    written: (stream) => written[stream],
    add({ stream, bytes }) {
      if (stream === 0) {
        before = this.size + bytes;
        first = [];
        written = { 1: 0, 2: 0 };
        later = { 1: 0, 2: 0 };
        return;
      }
      written[stream] += bytes;
      if (first.length < FIRST_RUNS) first.push({ stream, bytes });
      else later[stream] += bytes;
    },
    firstRuns() {
      let at = before;
      return first.map((run) => {
        const placed = { ...run, at };
        at += run.bytes;
        return placed;
      });
    },
    text: () =>
      partLines(
        [
          { stream: 0 as const, bytes: before },
          ...first,
          { stream: 1 as const, bytes: later[1] },
          { stream: 2 as const, bytes: later[2] },
        ].filter(({ bytes }) => bytes > 0),
      ),
  };
}

function streamOf(digit: string | undefined): LogRun['stream'] {
  if (digit === '1') return 1;
  return digit === '2' ? 2 : 0;
}
