/** A piece of a container's output. `stream`: 1 is stdout, 2 is stderr. */
export interface OutputPiece {
  readonly stream: 1 | 2;
  readonly bytes: Buffer;
}

const HEADER_BYTES = 8;
// The engine's frames have some KiB; a larger one means that this is no stream of frames.
const MAX_FRAME_BYTES = 1024 * 1024;

/**
 * The frames of an engine's output stream, those of one chunk together: stream number, three zeros, length (32 bit, big endian), so
 * many bytes (Docker Engine API, "Attach to a container"). A frame that the stream's end cuts is left out: the engine keeps a copy
 * of all output. Throws when the engine reports an error in the stream, and on what is no frame.
 */
export async function* outputPieces(
  chunks: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<readonly OutputPiece[], void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, Buffer.from(chunk)]);
    const pieces: OutputPiece[] = [];
    for (let end = frameEnd(rest); end <= rest.length; end = frameEnd(rest)) {
      pieces.push(pieceOf(rest.subarray(0, end)));
      rest = rest.subarray(end);
    }
    if (pieces.length > 0) yield pieces;
  }
}

/** Where the first frame ends; not within `bytes` while it is not whole. */
function frameEnd(bytes: Buffer): number {
  if (bytes.length < HEADER_BYTES) return HEADER_BYTES;
  const size = bytes.readUInt32BE(4);
  if (size > MAX_FRAME_BYTES) throw new Error(`The engine sent a frame of ${size} bytes.`);
  return HEADER_BYTES + size;
}

function pieceOf(frame: Buffer): OutputPiece {
  const stream = frame[0];
  const bytes = frame.subarray(HEADER_BYTES);
  if (stream === 1 || stream === 2) return { stream, bytes };
  if (stream === 3) throw new Error(`The engine reports: ${bytes.toString().trim()}`);
  throw new Error(`The engine sent a frame of stream ${stream}.`);
}
