import { execFileSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { extractLayer } from '../../functions/adapters/local/layers/extract-layer.ts';
import { HONEST_ARCHIVES, HOSTILE_ARCHIVES } from '../contract/archives.ts';
import { aTemporaryDirectory, filesBelow, inPieces } from '../doubles/layer-upload.ts';
import { aDirectory, aFile, aHardlink, aSymlink, aTar } from '../doubles/tar-builder.ts';

const CODE = { stripPrefix: 'usr/app/' } as const;
const PLAIN = { stripPrefix: '' } as const;

/** Kind, permission to execute and content of everything below a directory. */
async function picture(dir: string): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  // With types: only so are links not followed.
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const place = join(entry.parentPath, entry.name);
    const path = place.slice(dir.length + 1);
    const info = await lstat(place);
    if (info.isSymbolicLink()) seen[path] = `link to ${await readlink(place)}`;
    else if (info.isDirectory()) seen[path] = 'directory';
    else {
      const bytes = await readFile(place);
      seen[path] = `${info.mode & 0o100 ? 'executable' : 'file'} ${bytes.toString('base64')}`;
    }
  }
  return seen;
}

function extract(tar: Uint8Array, dir: string, options: typeof CODE | typeof PLAIN = CODE) {
  return extractLayer(inPieces(tar, 700), dir, options);
}

/** A source tree with everything that a layer may hold. */
async function aSourceTree(): Promise<string> {
  const dir = await aTemporaryDirectory();
  const app = join(dir, 'usr/app');
  await mkdir(join(app, 'pkg/deep/er'), { recursive: true });
  await mkdir(join(app, 'empty'));
  await writeFile(join(app, 'main.py'), 'print(1)\n');
  await writeFile(join(app, 'pkg/run.sh'), '#!/bin/sh\n');
  await chmod(join(app, 'pkg/run.sh'), 0o755);
  await writeFile(join(app, 'pkg/deep/er/big.bin'), Buffer.alloc(3_000_000, 'big'));
  await writeFile(join(app, 'pkg/nothing'), '');
  await writeFile(join(app, `pkg/${'ü'.repeat(70)}.txt`), 'long name');
  await symlink('../main.py', join(app, 'pkg/main'));
  await symlink('nowhere', join(app, 'dangling'));
  for (let i = 0; i < 200; i++) await writeFile(join(app, `pkg/deep/f${i}`), `${i}`);
  return dir;
}

describe('extractLayer', () => {
  test.for(['gnu', 'pax'])(
    'makes of a %s archive what tar makes of it',
    async (format, { expect }) => {
      const source = await aSourceTree();
      const tar = execFileSync('tar', [`--format=${format}`, '-cf', '-', '-C', source, 'usr/app'], {
        maxBuffer: 64 * 1024 * 1024,
      });
      const target = join(await aTemporaryDirectory(), 'out');
      await extract(tar, target);
      const made = await picture(target);
      expect(made).toEqual(await picture(join(source, 'usr/app')));
      expect(Object.keys(made).length).toBeGreaterThan(200);
    },
  );

  test.for(HONEST_ARCHIVES)('agrees with tar on $name', async ({ tar }, { expect }) => {
    const [ours, theirs] = [await aTemporaryDirectory(), await aTemporaryDirectory()];
    execFileSync('tar', ['-xf', '-', '-C', theirs], {
      input: tar,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await extract(tar, ours, PLAIN);
    expect(await picture(ours)).toEqual(await picture(theirs));
  });

  test('keeps a hard link one file', async ({ expect }) => {
    const dir = await aTemporaryDirectory();
    await extract(aTar(aFile('usr/app/a', 'x'), aHardlink('usr/app/b', 'usr/app/a')), dir);
    expect((await lstat(join(dir, 'a'))).ino).toBe((await lstat(join(dir, 'b'))).ino);
  });

  test('leaves out the directories that the prefix consists of', async ({ expect }) => {
    const dir = await aTemporaryDirectory();
    await extract(aTar(aDirectory('usr'), aDirectory('usr/app'), aFile('usr/app/a', 'x')), dir);
    expect(await readdir(dir)).toEqual(['a']);
  });

  test.for(HOSTILE_ARCHIVES)(
    'refuses $name and touches nothing outside',
    async ({ tar }, { expect }) => {
      const dir = await aTemporaryDirectory();
      const target = join(dir, 'one/two/target');
      await expect(extract(tar, target, PLAIN)).rejects.toMatchObject({ code: 'LAYER_INVALID' });
      const outside = (await filesBelow(dir)).filter((path) => !path.startsWith('one/two/target/'));
      expect(outside).toEqual([]);
    },
  );

  test.for([
    ['a file beside the prefix', aFile('etc/passwd', 'x')],
    ['a file that is the prefix', aFile('usr/app', 'x')],
    ['a link that is the prefix', aSymlink('usr/app', 'lib')],
    ['a name that only begins like it', aFile('usr/apple/a', 'x')],
  ] as const)('refuses %s', async ([, entry], { expect }) => {
    const dir = await aTemporaryDirectory();
    await expect(extract(aTar(entry), dir)).rejects.toMatchObject({
      code: 'LAYER_INVALID',
      message: expect.stringContaining('outside usr/app/'),
    });
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('symbolic links that verification accepts', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
  const target = fc
    .array(fc.constantFrom('a', 'b', 'c', '..', '..', '.'), { minLength: 1, maxLength: 6 })
    .map((names) => names.join('/'));
  const anyEntry = fc.oneof(
    path.map((at) => aDirectory(`usr/app/${at}`)),
    fc.tuple(path, target).map(([at, to]) => aSymlink(`usr/app/${at}`, to)),
  );

  test('never lead out of the directory, whatever they are combined to', async ({ expect }) => {
    let links = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anyEntry, { minLength: 1, maxLength: 8 }), async (entries) => {
        const root = join(await aTemporaryDirectory(), 'deep/down/target');
        try {
          await extract(aTar(...entries), root);
        } catch (error) {
          expect(error).toMatchObject({ code: 'LAYER_INVALID' });
          return;
        }
        for (const [at, what] of Object.entries(await picture(root))) {
          const real = await realpath(join(root, at)).catch(() => root);
          expect(`${real}/`.startsWith(`${root}/`)).toBe(true);
          links += what.startsWith('link') ? 1 : 0;
        }
      }),
      { numRuns: 120 },
    );
    expect(links).toBeGreaterThan(10);
  });
});

describe('a second layer in the same directory', () => {
  test('replaces files and links, and adds to directories', async ({ expect }) => {
    const dir = await aTemporaryDirectory();
    await extract(
      aTar(aFile('usr/app/a', '1'), aSymlink('usr/app/l', 'a'), aFile('usr/app/d/x', '1')),
      dir,
    );
    await extract(
      aTar(aFile('usr/app/l', '2'), aSymlink('usr/app/a', 'l'), aFile('usr/app/d/y', '2')),
      dir,
    );
    expect(await picture(dir)).toEqual({
      a: 'link to l',
      l: `file ${btoa('2')}`,
      d: 'directory',
      'd/x': `file ${btoa('1')}`,
      'd/y': `file ${btoa('2')}`,
    });
  });

  test('never writes through a link that is already there', async ({ expect }) => {
    const dir = await aTemporaryDirectory();
    const [target, outside] = [join(dir, 'target'), join(dir, 'outside')];
    await mkdir(target);
    await mkdir(outside);
    await writeFile(join(outside, 'precious'), 'keep');
    await symlink(outside, join(target, 'd'));
    await symlink(join(outside, 'precious'), join(target, 'f'));
    await extract(aTar(aFile('usr/app/d/evil', 'x'), aFile('usr/app/f', 'x')), target);
    expect(await picture(outside)).toEqual({ precious: `file ${btoa('keep')}` });
    expect(await picture(target)).toMatchObject({ d: 'directory', f: `file ${btoa('x')}` });
  });

  test('does not put a file in the place of a directory', async ({ expect }) => {
    const dir = await aTemporaryDirectory();
    await extract(aTar(aFile('usr/app/d/x', '1')), dir);
    await expect(extract(aTar(aFile('usr/app/d', '2')), dir)).rejects.toMatchObject({
      code: 'LAYER_INVALID',
      message: expect.stringContaining('"d": an earlier layer has a directory in its place'),
    });
  });
});
