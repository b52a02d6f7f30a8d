import { describe, test } from 'vitest';
import { namedPaths, namesExtraIndex } from '../../../../shared/image/requirement-lines.ts';

const pathsOf = (text: string) => namedPaths(text).map(({ kind, path }) => `${kind} ${path}`);

describe('namedPaths', () => {
  test('included files are found however the option is written', ({ expect }) => {
    const text = [
      '-r a.txt',
      '-rb.txt',
      '--requirement c.txt',
      '--requirement=../d.txt',
      '-c "e f.txt"',
      '--constraint \\',
      "  'g.txt'  # a comment",
    ].join('\r\n');
    expect(pathsOf(text)).toEqual([
      'include a.txt',
      'include b.txt',
      'include c.txt',
      'include ../d.txt',
      'include e f.txt',
      'include g.txt',
    ]);
  });

  test('local packages and directories of packages are found', ({ expect }) => {
    const text =
      '-e .\n--editable=./pkg\n-f wheels\n--find-links wheels\n.\n./x\nsub/pkg\nx-1.0-py3-none-any.whl ; python_version > "3"\n';
    expect(pathsOf(text)).toEqual([
      'local .',
      'local ./pkg',
      'local wheels',
      'local wheels',
      'local .',
      'local ./x',
      'local sub/pkg',
      'local x-1.0-py3-none-any.whl',
    ]);
    expect(namedPaths(text)[1]?.line).toBe('--editable=./pkg');
  });

  test('packages, options, URLs, absolute paths and comments are none', ({ expect }) => {
    const text = [
      'numpy>=1.26,<3 ; python_version < "3.13"',
      'torch[gpu]==2.1 --hash=sha256:00ff \\',
      '  --hash=sha256:11ff',
      'six @ https://packages.example/six.whl',
      'git+https://code.example/x/y@main#egg=y',
      'https://packages.example/six-1.0.tar.gz',
      'foo --config-settings="--x=a/b"',
      '-e git+https://code.example/x/y',
      '-r https://packages.example/r.txt',
      '-c /etc/constraints.txt',
      '--find-links=https://packages.example/all.html',
      '--extra-index-url https://packages.example/simple',
      '--require-hashes',
      '--no-index',
      '# -r a.txt',
      '  #',
      '',
    ].join('\n');
    expect(namedPaths(text)).toEqual([]);
  });
});

test('an extra index is seen, one in place of the usual is none', ({ expect }) => {
  expect(namesExtraIndex('six\n  --extra-index-url=https://packages.example/simple\n')).toBe(true);
  expect(namesExtraIndex('--extra-index-url \\\n https://packages.example/simple\n')).toBe(true);
  expect(
    namesExtraIndex('--index-url https://packages.example/simple\n# --extra-index-url x'),
  ).toBe(false);
});
