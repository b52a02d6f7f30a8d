import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { test } from 'vitest';
import { shellLine, shellQuote } from '../../../../shared/text/shell-quote.ts';

/** The words that a real shell reads. */
function readByShell(line: string): string[] {
  const script = `show() { for word do printf '%s\\0' "$word"; done; }\nshow ${line}`;
  const bytes = execFileSync('/bin/sh', ['-c', script], {
    env: { HOME: '/home/x', A: 'expanded' },
  });
  return bytes.toString().split('\0').slice(0, -1);
}

const NASTY = ['', ' ', '$A', '~', '~/x', '*', '?', '[a-z]', "'", '"', '`id`', '$(id)', '\\', '\n'];
const MORE_NASTY = [
  'a=b',
  '-x',
  '--lr=0.1',
  '!',
  '#',
  '{a,b}',
  '&',
  '|',
  ';',
  '<',
  '>',
  '\t',
  'é',
  '😀',
];

test('a real shell reads back exactly the words that were quoted', ({ expect }) => {
  const word = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.string({ unit: fc.constantFrom(...NASTY, ...MORE_NASTY), maxLength: 8 }),
    fc.constantFrom(...NASTY, ...MORE_NASTY),
  );
  const words = fc.array(
    word.filter((text) => !text.includes('\0')),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(words, (some) => {
      expect(readByShell(shellLine(some))).toEqual(some);
    }),
    { numRuns: 60 },
  );
});

test('a shell finds no assignment and no keyword in front of a quoted command', ({ expect }) => {
  expect(shellLine(['A=b', 'c'])).toBe("'A=b' c");
  expect(shellLine(['--A=b'])).toBe('--A=b');
});

test('plain words stay as they are', ({ expect }) => {
  const words = ['python', '-m', 'trainer.train', '--lr=0.1', '/a/b', 'x@y', '1:2', '50%'];
  expect(shellLine(words)).toBe(words.join(' '));
  expect(shellQuote("it's")).toBe("'it'\\''s'");
});
