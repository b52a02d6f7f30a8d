import reference from '@balena/dockerignore';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  parseDockerignore,
  readDockerignore,
  verdictFromTop,
} from '../../../../cli/pack/dockerignore.ts';
import { ignoreLine } from '../../../../cli/pack/refusal.ts';
import { aProject } from './a-project.ts';

function isIgnored(rules: string, path: string): boolean {
  return verdictFromTop(parseDockerignore(rules), path).ignored;
}

describe("Docker's rules", () => {
  test.for<[rules: string, path: string, ignored: boolean]>([
    ['', 'a', false],
    ['a', 'a', true],
    ['a', 'a/b/c', true],
    ['a', 'b/a', false],
    ['a', 'ab', false],
    ['A', 'a', false],
    ['/a', 'a', true],
    ['/a/', 'a/b', true],
    ['a/', 'a', true],
    ['./a', 'a', true],
    ['b/../a', 'a', true],
    ['a//b', 'a/b', true],
    ['# a\na', 'a', true],
    ['#a', '#a', false],
    ['\\#a', '#a', true],
    ['  a  ', 'a', true],
    ['a\r\nb\r\n', 'b', true],
    ['\uFEFFa', 'a', true],
    ['*.pyc', 'a.pyc', true],
    ['*.pyc', 'pkg/a.pyc', false],
    ['*/*.pyc', 'pkg/a.pyc', true],
    ['**/*.pyc', 'a.pyc', true],
    ['**/*.pyc', 'p/q/a.pyc', true],
    ['**.pyc', 'p/q/a.pyc', true],
    ['**/x', 'x', true],
    ['**/x', 'a/b/x/y', true],
    ['**/x', 'a/bx', false],
    ['a/**', 'a', false],
    ['a/**', 'a/b/c', true],
    ['a/**/c', 'a/c', true],
    ['a/**/c', 'a/b/b/c', true],
    ['a/**/c', 'a/b/bc', false],
    ['**', 'a/b', true],
    ['*', 'a/b', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['a?c', 'a😀c', true],
    ['[ab].py', 'b.py', true],
    ['[a-c].py', 'd.py', false],
    ['[^a].py', 'b.py', true],
    ['a[\\]]', 'a]', true],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['a+b.(1){2}|$^', 'a+b.(1){2}|$^', true],
    ['a.c', 'abc', false],
    ['a\n!a/b', 'a/b', false],
    ['a\n!a/b', 'a/c', true],
    ['!a/b\na', 'a/b', true],
    ['*\n!a', 'a/b', false],
    ['*\n!**/keep.py', 'a/b/keep.py', false],
    ['*.md\n!README*.md\nREADME-secret.md', 'README-secret.md', true],
    ['*.md\n!README*.md\nREADME-secret.md', 'README-x.md', false],
    ['a\n! a/b', 'a/b', false],
    ['a\n!/a/b/', 'a/b/c', false],
    ['constructor', 'constructor', true],
    ['', 'constructor', false],
    ['../a', 'a', false],
    ['.', 'a', false],
  ])('%j on %j: %j', ([rules, path, ignored], { expect }) => {
    expect(isIgnored(rules, path)).toBe(ignored);
  });

  test.for(['!', 'a[', 'a\\', '[b-a]'])(
    'the line %j is refused with its number',
    (line, { expect }) => {
      expect(() => parseDockerignore(`ok\n${line}\n`)).toThrow(
        expect.objectContaining({
          code: 'PACK_REFUSED',
          message: `Line 2 of .dockerignore is no pattern: ${line}`,
        }),
      );
    },
  );

  test('an independent implementation agrees on patterns both define', ({ expect }) => {
    const name = fc.constantFrom('a', 'b', 'ab', 'a.b');
    const segment = fc.oneof(name, fc.constantFrom('*', 'a*', '*b', '?', '?b', '**'));
    const pattern = fc
      .tuple(
        fc.constantFrom('', '!'),
        fc.constantFrom('', '/'),
        fc.array(segment, { minLength: 1, maxLength: 4 }),
      )
      .map(([not, slash, segments]) => not + slash + segments.join('/'));
    const path = fc
      .array(name, { minLength: 1, maxLength: 5 })
      .map((segments) => segments.join('/'));
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), path, (patterns, file) => {
        const expected = reference.default({ ignorecase: false }).add(patterns);
        expect(isIgnored(patterns.join('\n'), file)).toBe(expected.ignores(file));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('an ignored directory', () => {
  test.for<[rules: string, directory: string, entered: boolean]>([
    ['a\n!a/b', 'a', true],
    ['a\n!a/b/c', 'a/b', true],
    ['a\n!a/b', 'a/c', false],
    ['a\n!b', 'a', false],
    ['a\n!*/b', 'a', true],
    ['a\n!*/b', 'a/b', false],
    ['a\n!**/x', 'a/b/c', true],
    ['a\n!a/b**', 'a', true],
    ['a', 'a', false],
  ])('%j: %s is entered: %j', ([rules, directory, entered], { expect }) => {
    expect(parseDockerignore(rules).mayKeepBelow(directory)).toBe(entered);
  });

  test('is entered whenever something below it is kept', ({ expect }) => {
    const segment = fc.constantFrom('a', 'b', '*', '**', 'a*');
    const pattern = fc
      .tuple(fc.constantFrom('', '!'), fc.array(segment, { minLength: 1, maxLength: 4 }))
      .map(([not, segments]) => not + segments.join('/'));
    const names = fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), names, (patterns, segments) => {
        const rules = parseDockerignore(patterns.join('\n'));
        fc.pre(!verdictFromTop(rules, segments.join('/')).ignored);
        for (let depth = 1; depth < segments.length; depth++) {
          const directory = segments.slice(0, depth).join('/');
          const entered =
            !verdictFromTop(rules, directory).ignored || rules.mayKeepBelow(directory);
          expect(entered, directory).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the file in the build context', () => {
  test('is read, and may be absent', async ({ expect }) => {
    const rules = await readDockerignore(aProject({ '.dockerignore': 'a\n' }));
    expect(rules.verdict('a').ignored).toBe(true);
    expect((await readDockerignore(aProject({}))).verdict('a').ignored).toBe(false);
  });

  test('is refused when it is no file', async ({ expect }) => {
    await expect(
      readDockerignore(aProject({ '.dockerignore': 'DIRECTORY' })),
    ).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: '.dockerignore cannot be read (EISDIR).',
    });
  });
});

test('the line we advise ignores exactly the path it was made for', ({ expect }) => {
  const name = fc
    .stringMatching(/^[a#! *?[\]\\.é\n-]{1,6}$/)
    .filter((text) => !['.', '..'].includes(text));
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), (segments) => {
      const path = segments.join('/');
      expect(isIgnored(ignoreLine(path), path)).toBe(true);
      expect(isIgnored(ignoreLine(path), `${path}x`)).toBe(false);
    }),
  );
});
