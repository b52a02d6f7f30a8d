import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  type OutputPiece,
  outputPieces,
} from '../../../../../../../functions/adapters/local/docker/containers/log-frames.ts';
import { chunksOf, frame } from '../../../../../../doubles/engine-output.ts';

const pieces = fc.array(
  fc.record({ stream: fc.constantFrom(1 as const, 2 as const), bytes: fc.uint8Array() }),
);

describe('the frames of an output stream', () => {
  test('come out as they went in, however the stream is cut', async ({ expect }) => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.array(fc.nat(40)), async (sent, cuts) => {
        const wire = Buffer.concat(sent.map(({ stream, bytes }) => frame(stream, bytes)));
        expect(await all(chunksOf(wire, cuts))).toEqual(
          sent.map(({ stream, bytes }) => ({ stream, bytes: Buffer.from(bytes) })),
        );
      }),
    );
  });

  test('one that the end cuts is left out', async ({ expect }) => {
    const wire = Buffer.concat([frame(1, Buffer.from('whole')), frame(2, Buffer.from('cut'))]);
    expect(await all(chunksOf(wire.subarray(0, -1), []))).toEqual([
      { stream: 1, bytes: Buffer.from('whole') },
    ]);
  });

  test.for([
    ['a report of the engine', frame(3, Buffer.from('disk broken\n')), 'disk broken'],
    ['a stream of no such number', frame(7, Buffer.from('x')), 'stream 7'],
    ['a frame without end', Buffer.from([1, 0, 0, 0, 0xff, 0, 0, 0]), 'bytes'],
  ] as const)('%s is an error', async ([, wire, words], { expect }) => {
    await expect(all(chunksOf(wire, []))).rejects.toThrow(words);
  });
});

async function all(chunks: AsyncIterable<Uint8Array>): Promise<readonly OutputPiece[]> {
  const found: OutputPiece[] = [];
  for await (const some of outputPieces(chunks)) found.push(...some);
  return found;
}
