import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  decodeLogPlace,
  encodeLogPlace,
  type LogLine,
  type LogPlace,
  take,
  unseen,
} from '../../../../../functions/adapters/gcp/log-cursor.ts';
import { lineOf } from '../../../../../functions/adapters/gcp/log-entries.ts';

function line(nanos: number, insertId: string, text = `${insertId}\n`): LogLine {
  return { timestamp: `2026-11-01T00:00:00.${String(nanos).padStart(9, '0')}Z`, insertId, text };
}

/** What a reader gets who reads on until nothing is new; what is there may change between two reads. */
function readAll(reads: readonly (readonly LogLine[])[], maxBytes = 1_000): string {
  let place = decodeLogPlace('');
  let all = '';
  for (const lines of reads) {
    for (;;) {
      const next = take(place, unseen(place, lines), maxBytes);
      all += next.text;
      if (encodeLogPlace(next.place) === encodeLogPlace(place)) break;
      place = decodeLogPlace(encodeLogPlace(next.place));
    }
  }
  return all;
}

describe('place in a log', () => {
  test('the beginning is the empty cursor', ({ expect }) => {
    expect(encodeLogPlace(decodeLogPlace(''))).toBe('');
  });

  test('entries of one instant are given once, also those that come later', ({ expect }) => {
    const [a, b, c] = [line(5, 'a'), line(5, 'b'), line(5, 'c')];
    expect(
      readAll([
        [a, c],
        [a, b, c],
        [a, b, c],
      ]),
    ).toBe('a\nc\nb\n');
  });

  test('an entry with an earlier instant than what was given is passed over', ({ expect }) => {
    expect(readAll([[line(5, 'a')], [line(4, 'late'), line(5, 'a'), line(6, 'z')]])).toBe('a\nz\n');
  });

  test('more entries of one instant than can be named are given once, in order', ({ expect }) => {
    const many = Array.from({ length: 500 }, (_, i) => line(7, `id${String(i).padStart(4, '0')}`));
    const expected = many.map(({ text }) => text).join('');
    expect(readAll([many.slice(0, 130), many, many])).toBe(expected);
    expect(readAll([many], 20)).toBe(expected);
  });

  test('pieces of any size make up the whole, characters whole, cursors short', ({ expect }) => {
    // A cut character would be shown by this one, so no text has it of its own.
    const text = fc
      .string({ unit: 'grapheme', maxLength: 30 })
      .filter((value) => !value.includes('\uFFFD'));
    const lines = fc.array(fc.record({ at: fc.nat(3), text }), { maxLength: 60 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 40 }), (texts, maxBytes) => {
        const log = texts
          .map(({ at, text }, i) => line(at, `e${String(i).padStart(3, '0')}`, `${text}\n`))
          .toSorted((a, b) => (a.timestamp + a.insertId < b.timestamp + b.insertId ? -1 : 1));
        let place: LogPlace = decodeLogPlace('');
        let all = '';
        for (let rest = log; rest.length > 0; rest = unseen(place, log)) {
          const piece = take(place, rest, maxBytes);
          expect(Buffer.byteLength(piece.text)).toBeLessThanOrEqual(Math.max(4, maxBytes));
          expect(piece.text).not.toContain('\uFFFD');
          const cursor = encodeLogPlace(piece.place);
          expect(cursor).toMatch(/^[A-Za-z0-9_-]{0,1000}$/);
          all += piece.text;
          place = decodeLogPlace(cursor);
        }
        expect(all).toBe(log.map(({ text }) => text).join(''));
      }),
    );
  });

  test('a cursor of somebody else is refused', ({ expect }) => {
    const made = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const hostile = ['2026-11-01T00:00:00.000000000Z" OR severity>="DEFAULT', '', '', '', 0];
    for (const bad of ['17', 'x', made({}), made(hostile), made(['', '', '', '', -1])]) {
      expect(() => decodeLogPlace(bad)).toThrow(
        expect.objectContaining({ code: 'CURSOR_INVALID' }),
      );
    }
  });
});

describe('line of an entry', () => {
  const timestamp = { seconds: '1793491200', nanos: 5 };

  test.for([
    [{ textPayload: 'plain' }, 'plain\n'],
    [{ textPayload: 'plain\n' }, 'plain\n'],
    [
      { jsonPayload: { fields: { message: { stringValue: 'told', kind: 'stringValue' } } } },
      'told\n',
    ],
    [{ jsonPayload: { fields: { message: { stringValue: '' } } } }, '\n'],
    [{ jsonPayload: { fields: { loss: { numberValue: 1 } } } }, '{"loss":{"numberValue":1}}\n'],
    [{}, '\n'],
  ] as const)('%j', ([payload, text], { expect }) => {
    expect(lineOf({ timestamp, insertId: 'i', ...payload })).toEqual({
      timestamp: '2026-11-01T00:00:00.000000005Z',
      insertId: 'i',
      text,
    });
  });

  test('without a time it is none', ({ expect }) => {
    expect(lineOf({ insertId: 'i', textPayload: 'x' })).toBeNull();
    expect(lineOf(null)).toBeNull();
  });
});
