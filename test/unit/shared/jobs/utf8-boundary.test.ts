import fc from 'fast-check';
import { describe, test } from 'vitest';
import { wholeUtf8Length } from '../../../../shared/jobs/utf8-boundary.ts';

describe('wholeUtf8Length', () => {
  test('text cut anywhere is put together again, and less than a character waits', ({ expect }) => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (text, at) => {
        const bytes = new TextEncoder().encode(text);
        const cut = bytes.subarray(0, at % (bytes.length + 1));
        const whole = wholeUtf8Length(cut);
        const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
        expect(cut.length - whole).toBeLessThan(4);
        expect(text.startsWith(strict.decode(bytes.subarray(0, whole)))).toBe(true);
        expect(wholeUtf8Length(bytes)).toBe(bytes.length);
      }),
    );
  });

  test('four bytes always move a reader on, whatever they are', ({ expect }) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 64 }), (bytes) => {
        expect(wholeUtf8Length(bytes)).toBeGreaterThan(0);
      }),
    );
  });

  test.for([
    [[0x61, 0xc3], 1],
    [[0xe2, 0x86], 0],
    [[0xf0, 0x9f, 0x98], 0],
    [[0xff], 1],
    [[0x80, 0x80, 0x80], 3],
  ] as const)('%j has %d whole bytes', ([bytes, whole], { expect }) => {
    expect(wholeUtf8Length(new Uint8Array(bytes))).toBe(whole);
  });
});
