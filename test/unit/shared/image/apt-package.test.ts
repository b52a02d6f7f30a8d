import { describe, test } from 'vitest';
import { aptPackages } from '../../../../shared/image/apt-package.ts';

describe('aptPackages', () => {
  test('names, versions, architectures and releases are kept, sorted and each once', ({
    expect,
  }) => {
    const given = [
      'zlib1g-dev',
      'g++',
      'libgl1:arm64',
      'a2ps=1:4.14-7+deb12~1',
      'git/bookworm-backports',
    ];
    const sorted = [
      'a2ps=1:4.14-7+deb12~1',
      'g++',
      'git/bookworm-backports',
      'libgl1:arm64',
      'zlib1g-dev',
    ];
    expect(aptPackages([...given, 'g++'])).toEqual(sorted);
  });

  test('what is no name is refused with the value', ({ expect }) => {
    const hostile = [
      '',
      'x',
      '-y',
      '--force-yes',
      'vim-', // removes it
      'Vim',
      'a b',
      'a;b',
      'a$(b)',
      "a'b",
      'a"b',
      'a\nb',
      'a\\b',
      'a*',
      'git=',
      'git=-1',
      'git/',
      'git/../x',
      './x.deb',
      '/tmp/x.deb',
      'git=1/x',
    ];
    for (const name of hostile) {
      expect(() => aptPackages(['git', name]), name).toThrow(
        expect.objectContaining({
          code: 'BUILD_FAILED',
          message: `${JSON.stringify(name)} is no name of an apt package.`,
        }),
      );
    }
  });
});
