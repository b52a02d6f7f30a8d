import { describe, test } from 'vitest';
import { isSameRepository, parseImageReference } from '../../../../shared/image/reference.ts';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('parseImageReference', () => {
  test('a reference is read in its parts', ({ expect }) => {
    const cases = [
      ['python', 'python', null, null],
      ['python:3.12-slim', 'python', '3.12-slim', null],
      [`python:3.12@${DIGEST}`, 'python', '3.12', DIGEST],
      ['localhost:5000/a/b_c__d--e.f:T_1', 'localhost:5000/a/b_c__d--e.f', 'T_1', null],
      [`[::1]:5000/a@${DIGEST}`, '[::1]:5000/a', null, DIGEST],
      ['Registry.Example/team/base', 'Registry.Example/team/base', null, null],
    ] as const;
    for (const [text, repository, tag, digest] of cases) {
      expect(parseImageReference(text)).toEqual({ repository, tag, digest });
    }
  });

  test('anything else is refused by name', ({ expect }) => {
    const hostile = [
      '',
      '-f',
      '--help',
      'a b',
      'a:b c',
      'a\nRUN true',
      'a\u0000b',
      'Python',
      'a//b',
      '../a',
      'a/..',
      'a:',
      'a@sha256:12',
      '$(true)',
      'a;b',
      'a"b',
      "a'b",
      `a:${'t'.repeat(129)}`,
      `${'a/'.repeat(300)}a`,
    ];
    for (const text of hostile) {
      expect(() => parseImageReference(text), text).toThrow(
        expect.objectContaining({
          code: 'BUILD_FAILED',
          message: `${JSON.stringify(text)} is no image reference.`,
        }),
      );
    }
  });

  test('a long hostile text takes no time', ({ expect }) => {
    expect(() => parseImageReference(`${'a-'.repeat(240)}!`)).toThrow();
    expect(() => parseImageReference(`${'a.'.repeat(240)}!`)).toThrow();
  });
});

test("Docker's short names mean its hub", ({ expect }) => {
  expect(isSameRepository('python', 'docker.io/library/python')).toBe(true);
  expect(isSameRepository('docker.io/a/b', 'a/b')).toBe(true);
  expect(isSameRepository('a/python', 'python')).toBe(false);
  expect(isSameRepository('registry.example/python', 'python')).toBe(false);
});
