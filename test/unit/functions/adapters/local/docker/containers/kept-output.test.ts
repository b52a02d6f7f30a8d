import fc from 'fast-check';
import { describe, test } from 'vitest';
import { createKeptOutput } from '../../../../../../../functions/adapters/local/docker/containers/kept-output.ts';
import { keptOf } from '../../../../../../doubles/engine-output.ts';

const line = fc.oneof(
  fc.constantFrom(0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 40_000),
  fc.nat(30),
);

describe.for([
  ['an older engine', true],
  ['a newer engine', false],
] as const)('what %s kept', ([, isOlder]) => {
  test('is what was printed to both streams', ({ expect }) => {
    fc.assert(
      fc.property(fc.array(line), fc.array(line), line, (out, err, tail) => {
        const printed = [textOf(out, 'z'.repeat(tail + 1)), textOf(err, 'end\n')];
        const found = replayed(printed, isOlder);
        expect(found.map((bytes, i) => printed[i]?.equals(bytes))).toEqual([true, true]);
      }),
      { numRuns: 60 },
    );
  });

  test('may lack the newline of a long line at the very end, and nothing else', ({ expect }) => {
    const printed = textOf([3, 40_000], '');
    const [out] = replayed([printed, Buffer.alloc(0)], isOlder);
    expect(out).toEqual(isOlder ? printed.subarray(0, -1) : printed);
  });
});

test('output without time stamps is an error', ({ expect }) => {
  const printedOf = createKeptOutput();
  expect(() => printedOf({ stream: 1, bytes: Buffer.from('x\n') })).toThrow('time stamp');
});

/** Lines of such lengths, and what follows them. */
function textOf(lengths: readonly number[], end: string): Buffer {
  return Buffer.from(lengths.map((length) => `${'x'.repeat(length)}\n`).join('') + end);
}

/** What comes of it when the pieces of both streams are kept in turn. */
function replayed(printed: readonly Buffer[], isOlder: boolean): Buffer[] {
  const printedOf = createKeptOutput();
  const kept = printed.map((bytes) => keptOf(bytes, isOlder));
  const result: Buffer[][] = [[], []];
  for (let i = 0; i < Math.max(...kept.map((pieces) => pieces.length)); i++) {
    for (const stream of [1, 2] as const) {
      const bytes = kept[stream - 1]?.[i];
      if (bytes !== undefined) result[stream - 1]?.push(printedOf({ stream, bytes }).bytes);
    }
  }
  return result.map((pieces) => Buffer.concat(pieces));
}
