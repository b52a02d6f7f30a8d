import type { OutputPiece } from './log-frames.ts';

const NEWLINE = 0x0a;

/**
 * Turns pieces of what the engine kept of a container's output (its log driver `local`, with time stamps), read from the beginning,
 * back into what was printed.
 *
 * The engine keeps a line of 16 KiB or more in parts with one time stamp. After a line it writes a newline, but after the last part
 * of such a line not every version does (20.10 does not): it is put before the next piece of that stream, which has another time
 * stamp. So the one newline that may be missing is that of a long line at the very end.
 */
export function createKeptOutput(): (kept: OutputPiece) => OutputPiece {
  const openLines = new Map<number, string>();
  return ({ stream, bytes }) => {
    const stampEnd = bytes.indexOf(' ');
    if (stampEnd === -1) throw new Error('The engine gave a piece of output without time stamp.');
    const stamp = bytes.toString('latin1', 0, stampEnd);
    const printed = bytes.subarray(stampEnd + 1);
    const before = openLines.get(stream);
    if (printed.at(-1) === NEWLINE) openLines.delete(stream);
    else openLines.set(stream, stamp);
    const isOwed = before !== undefined && before !== stamp;
    return { stream, bytes: isOwed ? Buffer.concat([Buffer.from('\n'), printed]) : printed };
  };
}
