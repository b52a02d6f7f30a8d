import fc from 'fast-check';
import { describe, test } from 'vitest';
import { createRedactor, secretsOfUrl } from '../../../../functions/runtime/secrets.ts';

const SECRET = 'pä"ss\\w/o+r.d%1';

describe('a secret', () => {
  test.for([
    ['as it is', SECRET],
    ['as JSON', JSON.stringify(SECRET).slice(1, -1)],
    ['as JSON in JSON', JSON.stringify(JSON.stringify(SECRET)).slice(3, -3)],
    ['in an address', encodeURIComponent(SECRET)],
    ['in lower case digits', encodeURIComponent(SECRET).toLowerCase()],
    ['encoded twice', encodeURIComponent(encodeURIComponent(SECRET))],
    ['encoded in every byte', everyByte(SECRET)],
    ['encoded in some', `${everyByte('pä')}"ss\\${everyByte('w')}/o+r.d%1`],
  ])('%s is blotted out', ([, written = ''], { expect }) => {
    const clean = createRedactor([SECRET]);
    expect(clean(`before ${written}${written} after`)).toBe('before [secret][secret] after');
  });

  test('is found whatever it is made of, and leaves a line of JSON one', ({ expect }) => {
    const text = fc.string({ unit: 'grapheme', maxLength: 10 });
    const secret = fc
      .string({ unit: 'grapheme', minLength: 8 })
      .filter((word) => !/^["\\]+$/.test(word));
    fc.assert(
      fc.property(text, secret, text, (before, word, after) => {
        const told = { first: before + word + after, second: encodeURIComponent(word) };
        const line = createRedactor([word])(JSON.stringify(told));
        expect(line).not.toContain(word);
        expect(Object.keys(JSON.parse(line))).toEqual(['first', 'second']);
        expect(JSON.parse(line).second).toBe('[secret]');
      }),
    );
  });

  test('that is part of another is blotted out beside it', ({ expect }) => {
    const clean = createRedactor(['secret-word', 'user:secret-word@', '']);
    expect(clean('secret-word, https://user:secret-word@host/')).toBe(
      '[secret], https://[secret]host/',
    );
  });
});

test.for([
  [null, []],
  ['https://packages.example/simple', []],
  ['no address', []],
  ['https://ada:hunter2-0123@host/', ['hunter2-0123', 'ada:hunter2-0123@']],
  ['https://ada:p%40ss%2Fword@host/', ['p@ss/word', 'ada:p@ss/word@']],
  ['https://token-0123456789@host/', ['token-0123456789', 'token-0123456789@']],
  // Short words are everywhere.
  ['https://ada:1@host/', ['ada:1@']],
  ['https://ada:100%@host-name/', ['ada:100%@']],
] as const)('of the address %s the secrets are %j', ([address, secrets], { expect }) => {
  expect(secretsOfUrl(address)).toEqual(secrets);
});

function everyByte(text: string): string {
  return Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}
