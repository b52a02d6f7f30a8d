import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, type TestContext, test } from 'vitest';
import {
  copyFiles,
  innerTarget,
} from '../../../../../../../functions/adapters/local/docker/containers/copy-files.ts';
import { temporaryDirectory } from '../../../../../../adapters/temporary-directory.ts';
import {
  aFile,
  aHardlink,
  anEntry,
  aSymlink,
  aTar,
  gnuLong,
  paxHeader,
} from '../../../../../../doubles/tar-builder.ts';

const LIMITS = { bytes: 1_000_000, count: 100 };

describe('an archive of a container', () => {
  test('is copied whatever it has besides files', async ({ expect, onTestFinished }) => {
    const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`;
    const dir = await copied(onTestFinished, [
      anEntry({ name: 'app/pipe', type: '6' }),
      anEntry({ name: 'app/tty', type: '3' }),
      paxHeader({ path: 'app/größe', 'SCHILY.xattr.user.x': 'y', mtime: '1.5' }),
      aFile('app/gr', 'pax'),
      gnuLong('L', `app/${long}`),
      anEntry({ name: 'app/dd', content: 'gnu', magic: 'ustar  \0' }),
      anEntry({ name: Buffer.from('app/latin\xe9', 'latin1'), content: 'named' }),
    ]);
    expect(readdirSync(dir).sort()).toEqual(['d'.repeat(120), 'größe', 'latin\uFFFD'].sort());
    expect(readFileSync(join(dir, 'größe'), 'utf8')).toBe('pax');
    expect(readFileSync(join(dir, long), 'utf8')).toBe('gnu');
  });

  test('writes nothing outside of its directory', async ({ expect, onTestFinished }) => {
    const dir = await copied(onTestFinished, [
      aFile('app/../evil', 'x'),
      aFile('/app/evil', 'x'),
      aFile('other/evil', 'x'),
      aFile('application/evil', 'x'),
      aSymlink('app/link', '..'),
      aSymlink('app/inner', 'sub'),
      aFile('app/sub/file', 'y'),
      aHardlink('app/hard', 'app/sub/file'),
      aHardlink('app/stolen', '../evil'),
    ]);
    expect(readdirSync(dir).sort()).toEqual(['hard', 'inner', 'sub']);
    expect(readdirSync(join(dir, '..'))).toEqual(['work']);
    expect(readlinkSync(join(dir, 'inner'))).toBe('sub');
  });

  test('never puts a file below a link', async ({ expect, onTestFinished }) => {
    const outside = temporaryDirectory();
    onTestFinished(() => outside.remove());
    const target = aSymlink('app/link', outside.path);
    await copied(onTestFinished, [target, aFile('app/link/evil', 'x')]);
    expect(readdirSync(outside.path)).toEqual([]);
  });

  test('is asked for again for another name of a file that did not change', async ({
    expect,
    onTestFinished,
  }) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const target = { directory: join(path, 'work'), limits: LIMITS };
    const wanted = { archives: [''], isWanted: (name: string) => name === 'sub/b' };
    const whole = aTar(aFile('app/a', 'old'), aHardlink('app/sub/b', 'app/a'));
    const archives: Readonly<Record<string, Uint8Array>> = {
      '/usr/app': whole,
      '/usr/app/sub/b': aTar(aFile('b', 'old')),
    };
    await copyFiles(wanted, target, async (name) => Readable.from([archives[name]]));
    expect(readdirSync(target.directory)).toEqual(['sub']);
    expect(readFileSync(join(target.directory, 'sub/b'), 'utf8')).toBe('old');
  });

  test('that breaks off is an error', async ({ expect, onTestFinished }) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const whole = aTar(aFile('app/a', 'a'), aFile('app/b', 'b'.repeat(5000)));
    const part = Readable.from([whole.subarray(0, 2500)]);
    const target = { directory: join(path, 'work'), limits: LIMITS };
    await expect(copyFiles(ALL, target, async () => part)).rejects.toThrow('only a part');
    expect(part.destroyed).toBe(true);
  });

  test('is not read on behind a limit', async ({ expect, onTestFinished }) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const head = anEntry({ name: 'app/huge', size: 10 ** 9 });
    const stream = Readable.from([aFile('app/a', 'a'), head]);
    const target = { directory: join(path, 'work'), limits: LIMITS };
    expect(await copyFiles(ALL, target, async () => stream)).toBe('bytes');
    expect(stream.destroyed).toBe(true);
    expect(readdirSync(target.directory)).toEqual(['a']);
  });
});

describe('a link', () => {
  test.for([
    ['a', 'b', 'b'],
    ['a/b', '../c', '../c'],
    ['a/b', '/usr/app/c/d', '../c/d'],
    ['a', '/usr/app/', '.'],
    ['a', '..', null],
    ['a/b', '../../c', null],
    ['a/b', 'c/../../..', null],
    ['a', '/etc/passwd', null],
    ['a', '/usr/app/../../etc/passwd', null],
    ['a', '/usr/apple', null],
    ['a', '', null],
  ] as const)('at %s to %s leads to %s', ([path, target, inside], { expect }) => {
    expect(innerTarget(path, target)).toBe(inside);
  });
});

const ALL = { archives: [''], isWanted: (path: string) => path !== '' };

/** Where these entries were copied to. */
async function copied(
  onTestFinished: TestContext['onTestFinished'],
  entries: readonly Uint8Array[],
): Promise<string> {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const directory = join(path, 'work');
  const tar = Buffer.from(aTar(...entries));
  // In pieces that end anywhere.
  const pieces = Array.from({ length: Math.ceil(tar.length / 700) }, (_, i) =>
    tar.subarray(i * 700, (i + 1) * 700),
  );
  await copyFiles(ALL, { directory, limits: LIMITS }, async () => Readable.from(pieces));
  if (!existsSync(directory)) throw new Error('Nothing was made.');
  return directory;
}
