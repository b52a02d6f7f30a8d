import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, test } from 'vitest';
import { hashLayer, spoolLayer } from '../../../../cli/pack/layer.ts';
import { aFolder, aProject, asNobody, aTree, type Content, tarOf } from './a-project.ts';

const FILES: Record<string, Content> = {
  'train.py': 'print("hello")\n',
  'run.sh': { script: 'python train.py\n' },
  'pkg/__init__.py': '',
  'pkg/données.csv': '1,2\n',
  'pkg/latest': { link: 'données.csv' },
  out: 'DIRECTORY',
};

/** Computed once; it changes only when the layer format does, and then every layer goes up again. */
const GOLDEN = '113c323d2785f8fcb197204de93b34233445821df912d551033e244504bb88c4';

describe('the key of a layer', () => {
  test('is the same on every machine and for every version of us', async ({ expect }) => {
    const tree = await aTree(aProject(FILES));
    expect(await hashLayer(tree)).toEqual({
      diffId: GOLDEN,
      uncompressedSize: (await tarOf(tree)).length,
    });
  });

  test('is the sha256 of the tar', async ({ expect }) => {
    const tree = await aTree(aProject(FILES));
    const { diffId } = await hashLayer(tree);
    expect(diffId).toBe(
      createHash('sha256')
        .update(await tarOf(tree))
        .digest('hex'),
    );
  });

  test('does not depend on the order of creation', async ({ expect }) => {
    const reversed = Object.fromEntries(Object.entries(FILES).toReversed());
    expect((await hashLayer(await aTree(aProject(reversed)))).diffId).toBe(GOLDEN);
  });

  test('does not depend on times, umask or hard links', async ({ expect }) => {
    const project = aProject(FILES);
    utimesSync(join(project, 'train.py'), 1, 2);
    utimesSync(join(project, 'pkg'), 3, 4);
    chmodSync(join(project, 'train.py'), 0o600);
    chmodSync(join(project, 'run.sh'), 0o700);
    chmodSync(join(project, 'pkg'), 0o700);
    chmodSync(join(project, 'pkg/__init__.py'), 0o666);
    linkSync(join(project, 'train.py'), join(aFolder(), 'second-name'));
    expect((await hashLayer(await aTree(project))).diffId).toBe(GOLDEN);
  });

  test('does not depend on the owner', async ({ expect, skip }) => {
    if (process.getuid?.() !== 0) skip('only root can give files away');
    const project = aProject(FILES);
    chownSync(join(project, 'train.py'), 4321, 8765);
    expect((await hashLayer(await aTree(project))).diffId).toBe(GOLDEN);
  });

  test.for<[what: string, change: Record<string, Content>]>([
    ['a content', { 'train.py': 'print("hallo")\n' }],
    ['an executable bit', { 'train.py': { script: 'print("hello")\n' } }],
    ['a link', { 'pkg/latest': { link: '__init__.py' } }],
    ['an empty directory', { more: 'DIRECTORY' }],
  ])('changes with %s', async ([, change], { expect }) => {
    expect((await hashLayer(await aTree(aProject({ ...FILES, ...change })))).diffId).not.toBe(
      GOLDEN,
    );
  });

  test('stops when the caller gives up', async ({ expect }) => {
    const tree = await aTree(aProject(FILES));
    await expect(hashLayer(tree, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});

describe('the spooled blob', () => {
  test('is the compressed tar, alone in its folder', async ({ expect }) => {
    const tree = await aTree(aProject({ ...FILES, 'big.bin': Buffer.alloc(9_000_000, 'abc') }));
    const { diffId, uncompressedSize } = await hashLayer(tree);
    const dir = join(aFolder(), 'spool');
    const blob = await spoolLayer(tree, { diffId, dir });
    expect(blob).toEqual({
      path: join(dir, `${diffId}.tar.gz`),
      size: statSync(blob.path).size,
      encoding: 'gzip',
    });
    const tar = gunzipSync(readFileSync(blob.path));
    expect(createHash('sha256').update(tar).digest('hex')).toBe(diffId);
    expect(tar.length).toBe(uncompressedSize);
    expect(readdirSync(dir)).toEqual([`${diffId}.tar.gz`]);
  });

  test('can be read by its owner only', async ({ expect }) => {
    const tree = await aTree(aProject(FILES));
    const blob = await spoolLayer(tree, { diffId: GOLDEN, dir: aFolder() });
    expect(statSync(blob.path).mode & 0o777).toBe(0o600);
  });

  test('leaves nothing behind when the caller gives up', async ({ expect }) => {
    const tree = await aTree(aProject(FILES));
    const dir = aFolder();
    const signal = AbortSignal.abort();
    await expect(spoolLayer(tree, { diffId: GOLDEN, dir, signal })).rejects.toThrow();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('a folder that cannot be written to is named', async ({ expect }) => {
    const tree = await aTree(aProject(FILES));
    const dir = join(aProject({ file: '' }), 'file');
    await expect(spoolLayer(tree, { diffId: GOLDEN, dir })).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: expect.stringContaining(dir),
      hint: expect.stringContaining('TMPDIR'),
    });
  });
});

describe('a tree that does not hold still is refused', () => {
  const changes: [what: string, change: (file: string) => void][] = [
    ['grew', (file) => appendFileSync(file, 'x')],
    ['shrank', (file) => truncateSync(file, 3)],
    ['vanished', (file) => rmSync(file)],
    [
      'became a link',
      (file) => {
        renameSync(file, `${file}2`);
        symlinkSync(`${file}2`, file);
      },
    ],
    [
      'became a directory',
      (file) => {
        rmSync(file);
        mkdirSync(file);
      },
    ],
  ];

  test.for(changes)('a file %s after it was listed', async ([, change], { expect }) => {
    const project = aProject(FILES);
    const tree = await aTree(project);
    change(join(project, 'train.py'));
    await expect(hashLayer(tree)).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: 'train.py changed while being packed.',
      hint: expect.stringContaining('Run the command again'),
    });
  });

  test('a content changed between the key and the blob', async ({ expect }) => {
    const project = aProject(FILES);
    const tree = await aTree(project);
    const { diffId } = await hashLayer(tree);
    writeFileSync(join(project, 'train.py'), 'print("hallo")\n');
    const dir = aFolder();
    await expect(spoolLayer(tree, { diffId, dir })).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: expect.stringContaining('changed while being packed'),
    });
    expect(readdirSync(dir)).toEqual([]);
  });

  test('a file removed between the key and the blob', async ({ expect }) => {
    const project = aProject(FILES);
    const tree = await aTree(project);
    const { diffId } = await hashLayer(tree);
    rmSync(join(project, 'train.py'));
    const dir = aFolder();
    await expect(spoolLayer(tree, { diffId, dir })).rejects.toMatchObject({
      message: 'train.py changed while being packed.',
    });
    expect(readdirSync(dir)).toEqual([]);
  });
});

test('a file that cannot be read is named with both fixes', async ({ expect }) => {
  const project = aProject({ 'a/secret.bin': 'x' });
  const tree = await aTree(project);
  chmodSync(project, 0o755);
  chmodSync(join(project, 'a/secret.bin'), 0);
  await asNobody(() =>
    expect(hashLayer(tree)).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: 'Not packed: a/secret.bin cannot be read (EACCES).',
      hint: 'Make it readable. Or leave it out: add to .dockerignore:\n  a/secret.bin',
    }),
  );
});
