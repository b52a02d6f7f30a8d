import type { Readable } from 'node:stream';
import { EngineSilent } from '../engine/engine-call.ts';

/** Takes bytes from a stream of the engine's, as many as are wanted. */
export interface ArchiveBytes {
  /** Exactly so many. */
  take(length: number): Promise<Buffer>;
  /** At least one, at most so many. */
  some(most: number): Promise<Buffer>;
  skip(length: number): Promise<void>;
}

/** Throws EngineSilent when nothing comes for so long (ms); what has come may take any time to be used. Errors of the stream as they are. */
export function archiveBytes(stream: Readable, idleMs: number): ArchiveBytes {
  const pieces = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);

  async function next(): Promise<Buffer> {
    const late = new EngineSilent('late', `within ${idleMs / 1000} s`);
    const timer = setTimeout(() => stream.destroy(late), idleMs);
    try {
      const piece = await pieces.next();
      if (piece.done === true) throw new Error('The engine gave only a part of an archive.');
      return Buffer.from(piece.value);
    } finally {
      clearTimeout(timer);
    }
  }

  async function some(most: number): Promise<Buffer> {
    while (rest.length === 0) rest = await next();
    const taken = rest.subarray(0, most);
    rest = rest.subarray(taken.length);
    return taken;
  }

  return {
    some,
    async take(length) {
      const parts: Buffer[] = [];
      for (let left = length; left > 0; left -= parts.at(-1)?.length ?? 0) {
        parts.push(await some(left));
      }
      return Buffer.concat(parts);
    },
    async skip(length) {
      for (let left = length; left > 0; ) left -= (await some(left)).length;
    },
  };
}
