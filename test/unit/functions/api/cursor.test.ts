import fc from 'fast-check';
import { test } from 'vitest';
import { decodeCursor, encodeCursor, optionalCursor } from '../../../../functions/api/cursor.ts';
import { isAppError } from '../../../../shared/errors/app-error.ts';

const id = fc.stringMatching(/^[a-z0-9-]{1,40}$/);

test('a cursor comes back as it was', ({ expect }) => {
  const value = fc.oneof(fc.integer(), fc.string({ maxLength: 100 }));
  fc.assert(
    fc.property(value, id, (at, key) => {
      const text = encodeCursor({ value: at, id: key });
      expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
      const type = typeof at === 'number' ? 'number' : 'string';
      expect(decodeCursor(text, type)).toEqual({ value: at, id: key });
    }),
  );
});

test('no changed cursor is taken for another place without being one', ({ expect }) => {
  const text = encodeCursor({ value: 1_767_225_600_000, id: 'b40542d1dfeab4196db4' });
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom('A', '_', '=', '/', ' ', 'é'), (at, c) => {
      const changed = text.slice(0, at) + c + text.slice(at + 1);
      const found = decoded(changed);
      if (found === 'refused') return;
      // Another place of the same form may come out, but never the form itself broken.
      expect(encodeCursor(found)).toBe(changed);
      expect(typeof found.value).toBe('number');
    }),
  );
});

test('what is no cursor is refused with a code', ({ expect }) => {
  const wrong = [
    '',
    'x',
    '%',
    'null',
    wire('null'),
    wire('[]'),
    wire('{"v":1}'),
    wire('{"v":1,"id":""}'),
    wire('{"v":1,"id":"a/b"}'),
    wire('{"v":1,"id":"a\\u0000"}'),
    wire('{"v":1,"id":"a","x":2}'),
    wire('{"v":true,"id":"a"}'),
    wire('{"v":"text","id":"a"}'),
    wire('{"v":1e999,"id":"a"}'),
    wire('{"v": 1,"id":"a"}'),
    'A'.repeat(1_001),
  ];
  for (const text of wrong) expect(decoded(text), text).toBe('refused');
});

test('a cursor of a list that is ordered otherwise is refused', ({ expect }) => {
  const text = encodeCursor({ value: 'order', id: 'a' });
  expect(decoded(text)).toBe('refused');
  expect(optionalCursor(text, 'string')).toEqual({ value: 'order', id: 'a' });
  expect(optionalCursor(undefined, 'string')).toBeUndefined();
});

function wire(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function decoded(text: string) {
  try {
    return decodeCursor(text, 'number');
  } catch (error) {
    if (isAppError(error, 'CURSOR_INVALID')) return 'refused';
    throw error;
  }
}
