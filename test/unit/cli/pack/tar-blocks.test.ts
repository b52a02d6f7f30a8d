import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { extract as tarReader } from 'tar-stream';
import { describe, test } from 'vitest';
import { tarSize } from '../../../../cli/pack/tar-blocks.ts';
import { tarHeader } from '../../../../cli/pack/tar-header.ts';
import { aProject, aTree, type Content, extract, tarOf, tool } from './a-project.ts';

describe("the system's tar unpacks what was packed", () => {
  test('contents, executable bits, links, empty files and directories', async ({ expect }) => {
    const project = aProject({
      'train.py': 'print(1)\n',
      'run.sh': { script: '#!/bin/bash\n' },
      'empty.txt': '',
      'pkg/nested/deep.py': 'x = 1\n',
      'pkg/latest': { link: 'nested/deep.py' },
      'pkg/up': { link: '../train.py' },
      'pkg/dangling': { link: 'not-there' },
      'logs/': 'DIRECTORY',
    });
    const folder = join(extract(await tarOf(await aTree(project))), 'usr/app');
    expect(describeFolder(folder)).toEqual({
      'empty.txt': '644 ',
      logs: '755 directory',
      pkg: '755 directory',
      'pkg/dangling': 'link not-there',
      'pkg/latest': 'link nested/deep.py',
      'pkg/nested': '755 directory',
      'pkg/nested/deep.py': '644 x = 1\n',
      'pkg/up': 'link ../train.py',
      'run.sh': '755 #!/bin/bash\n',
      'train.py': '644 print(1)\n',
    });
  });

  test('names with blanks, other scripts, and of any length', async ({ expect }) => {
    const long = (length: number): string =>
      `${'d'.repeat(90)}/`.repeat(Math.floor(length / 91)) + 'f'.repeat(length % 91);
    const files: Record<string, string> = {};
    const names = [
      'with blank.py',
      'ünïcode/é.txt',
      'e\u0301-decomposed',
      '数据/模型.bin',
      '😀',
      'back\\slash',
      '"quoted"',
      '-dash',
    ];
    for (const name of [...names, ...[88, 99, 100, 101, 155, 255, 256, 300, 1000].map(long)])
      files[name] = `in ${name}`;
    const project = aProject({
      ...files,
      link: { link: long(300) },
      lien: { link: '数据/模型.bin' },
    });
    const folder = join(extract(await tarOf(await aTree(project))), 'usr/app');
    for (const [name, content] of Object.entries(files))
      expect(readFileSync(join(folder, name), 'utf8')).toBe(content);
    expect(readlinkSync(join(folder, 'link'))).toBe(long(300));
    expect(readlinkSync(join(folder, 'lien'))).toBe('数据/模型.bin');
  });

  test('files at every edge of blocks and chunks', async ({ expect }) => {
    const sizes = [
      1,
      511,
      512,
      513,
      1024,
      4 * 1024 ** 2 - 513,
      4 * 1024 ** 2 - 512,
      4 * 1024 ** 2,
      9 * 1024 ** 2 + 1,
    ];
    const files = Object.fromEntries(
      sizes.map((size, i) => [`f${i}`, Buffer.alloc(size, `${i}${size}`)]),
    );
    const tree = await aTree(aProject(files));
    const tar = await tarOf(tree);
    expect(tar.length).toBe(tarSize(tree));
    const folder = extract(tar);
    for (const [name, content] of Object.entries(files)) {
      expect(readFileSync(join(folder, 'usr/app', name)).equals(content), name).toBe(true);
    }
  });

  test('any tree comes back as it was', { timeout: 60_000 }, async ({ expect }) => {
    const name = fc.stringMatching(/^[a-c é😀.-]{1,5}$/u).filter((text) => !/^\.+$/.test(text));
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
    const content: fc.Arbitrary<Content> = fc.oneof(
      fc.string({ maxLength: 1500 }),
      fc.string().map((script) => ({ script })),
      name.map((link) => ({ link })),
      fc.constant<Content>('DIRECTORY'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(path, content), { maxLength: 12 }), async (all) => {
        const paths = all.filter(
          ([a], i) =>
            !all.some(([b], j) => (i !== j && b.startsWith(`${a}/`)) || (i < j && a === b)),
        );
        const project = aProject(Object.fromEntries(paths));
        const folder = extract(await tarOf(await aTree(project)));
        const unpacked = paths.length === 0 ? {} : describeFolder(join(folder, 'usr/app'));
        expect(unpacked).toEqual(describeFolder(project));
      }),
      { numRuns: 40 },
    );
  });
});

describe('the entries', () => {
  test('are sorted by bytes, begin with usr/app, and carry a fixed owner and time', async ({
    expect,
  }) => {
    const tree = await aTree(
      aProject({
        'a/b/x': '',
        'a/b-c': '',
        'a/b.py': '',
        'a/\u{10000}': '',
        'a/\uFFFD': '',
        'a/Z': '',
      }),
      'a/b',
    );
    const sorted = await aTree(tree.contextDir, 'a');
    expect((await headersOf(await tarOf(tree))).map(({ name }) => name)).toEqual([
      'usr/app/a/',
      'usr/app/a/b/',
      'usr/app/a/b/x',
    ]);
    const headers = await headersOf(await tarOf(sorted));
    const names = ['', 'Z', 'b-c', 'b.py', 'b/', 'b/x', '\uFFFD', '\u{10000}'];
    expect(headers.map(({ name }) => name)).toEqual(names.map((name) => `usr/app/a/${name}`));
    for (const header of headers) {
      expect(header).toMatchObject({
        uid: 1000,
        gid: 1000,
        uname: '',
        gname: '',
        mtime: new Date(0),
      });
    }
  });

  test('a file of 8 GiB and more keeps its size', async ({ expect }) => {
    const entry = { kind: 'file', path: 'usr/app/big', from: 'big', executable: false } as const;
    for (const size of [8 * 1024 ** 3 - 1, 8 * 1024 ** 3, 12_345_678_901_234]) {
      const [header] = await headersOf(tarHeader({ ...entry, size }), 1);
      expect(header).toMatchObject({ name: 'usr/app/big', size });
    }
  });

  test("the bytes are those of GNU tar's ustar format", async ({ expect, skip }) => {
    if (!tool('tar', ['--version']).includes('GNU tar')) skip('no GNU tar here');
    const project = aProject({
      'a.py': 'print(1)\n',
      'run.sh': { script: 'true\n' },
      'd/b.txt': 'b'.repeat(700),
      'd/l': { link: '../a.py' },
    });
    const names = ['a.py', 'd/', 'd/b.txt', 'd/l', 'run.sh'];
    const options = [
      '--format=ustar',
      '--no-recursion',
      '--numeric-owner',
      '--owner=1000',
      '--group=1000',
      '--mtime=@0',
      '-b1',
    ];
    for (const name of ['a.py', 'd/b.txt']) chmodSync(join(project, name), 0o644);
    for (const name of ['d', 'run.sh']) chmodSync(join(project, name), 0o755);
    const prefix = '--transform=flags=r;s,^,usr/app/,';
    const theirs = tool('tar', ['-c', '-f', '-', ...options, prefix, '-C', project, ...names]);
    const ours = await tarOf(await aTree(project));
    expect(createHash('sha256').update(ours).digest('hex')).toBe(
      createHash('sha256').update(theirs).digest('hex'),
    );
  });
});

/** Each path with its mode and content. */
function describeFolder(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stats = lstatSync(join(folder, path));
    const mode = (stats.mode & 0o777).toString(8);
    if (stats.isSymbolicLink()) found[path] = `link ${readlinkSync(join(folder, path))}`;
    else
      found[path] =
        `${mode} ${stats.isDirectory() ? 'directory' : readFileSync(join(folder, path), 'utf8')}`;
  }
  return found;
}

interface Header {
  readonly name: string;
  readonly size: number;
}

/** Read by an independent program; stops after `count` headers, where a header's content is missing. */
async function headersOf(tar: Buffer, count = Number.POSITIVE_INFINITY): Promise<Header[]> {
  const headers: Header[] = [];
  const reader = tarReader();
  reader.end(tar);
  for await (const entry of reader) {
    headers.push({ ...entry.header, size: entry.header.size ?? 0 });
    if (headers.length === count) return headers;
    entry.resume();
  }
  return headers;
}
