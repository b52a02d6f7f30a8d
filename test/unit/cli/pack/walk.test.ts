import { chmodSync, linkSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, onTestFinished, test } from 'vitest';
import { aFolder, aProject, asNobody, aTree, tool } from './a-project.ts';

describe('links', () => {
  test.for<[from: string, target: string]>([
    ['pkg/l', 'a.py'],
    ['pkg/l', '../data'],
    ['pkg/l', '..'],
    ['pkg/l', 'nothing/there'],
    ['pkg/l', 'l'],
  ])('%s -> %s stays in the context and is kept as it is', async ([from, target], { expect }) => {
    const tree = await aTree(
      aProject({ 'pkg/a.py': '', 'pkg/sub/b': '', 'data/x': '', [from]: { link: target } }),
      'pkg',
    );
    expect(tree.entries).toContainEqual({ kind: 'symlink', path: `usr/app/${from}`, target });
  });

  test.for<[from: string, target: string, reason: string]>([
    ['pkg/l', '/etc/passwd', 'is a link to an absolute path (/etc/passwd)'],
    ['pkg/l', '../../x', 'is a link that leaves the current directory (../../x)'],
    ['pkg/l', '../..', 'is a link that leaves the current directory (../..)'],
    [
      'pkg/l',
      'sub/up/../../../..',
      'is a link that leaves the current directory (sub/up/../../../..)',
    ],
    [
      'pkg/l',
      '../pkg/sub/../a.py',
      'is a link with ".." behind a name (../pkg/sub/../a.py), make it point there directly',
    ],
    ['pkg/l', 'sub/up/..', 'is a link that leaves the current directory (sub/up/..)'],
  ])('%s -> %s is refused', async ([from, target, reason], { expect }) => {
    const project = aProject({ 'pkg/sub/up': { link: '../..' }, [from]: { link: target } });
    await expect(aTree(project, 'pkg')).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: `Not packed: ${from} ${reason}.`,
      hint: `add to .dockerignore:\n  ${from}`,
    });
  });

  test('one to a directory is a link, not the directory', async ({ expect }) => {
    const tree = await aTree(aProject({ 'pkg/real/x': '', 'pkg/l': { link: 'real' } }), 'pkg');
    expect(tree.entries.map(({ path }) => path)).not.toContain('usr/app/pkg/l/x');
  });
});

describe('names that the service would refuse', () => {
  test.for<[name: string, problem: string]>([
    ['a\u0007b', '"pkg/a\\u0007b" has a control character in its name'],
    ['.wh.config', 'pkg/.wh.config has a name that deletes files in an image'],
  ])('%j is refused', async ([name, problem], { expect }) => {
    await expect(aTree(aProject({ [`pkg/${name}`]: '' }), 'pkg')).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: `Not packed: ${problem}.`,
    });
  });
});

describe('what is neither file, directory nor link is refused with the line that leaves it out', () => {
  test('a socket and a named pipe, in one message', async ({ expect }) => {
    const project = aProject({ 'run/a.py': '' });
    const server = createServer().listen(join(project, 'run/sock'));
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    tool('mkfifo', [join(project, 'run/pipe [1]')]);
    await expect(aTree(project)).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: 'Not packed: run/pipe [1] is a named pipe; run/sock is a socket.',
      hint: 'add to .dockerignore:\n  run/pipe \\[1\\]\n  run/sock',
    });
    const tree = await aTree(project, '.', 'run/pipe \\[1\\]\nrun/sock\n');
    expect(tree.entries.map(({ path }) => path)).toEqual(['usr/app/run', 'usr/app/run/a.py']);
  });

  test('a device', async ({ expect, skip }) => {
    if (process.getuid?.() !== 0) skip('only root can make devices');
    const project = aProject({});
    tool('mknod', [join(project, 'null'), 'c', '1', '3']);
    await expect(aTree(project)).rejects.toMatchObject({
      message: 'Not packed: null is a device.',
    });
  });

  test('of many, ten are named and the rest counted', async ({ expect }) => {
    const project = aProject({});
    for (let i = 10; i < 23; i++) symlinkSync('/nowhere', join(project, `l${i}`));
    const refused = aTree(project);
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(/^Not packed: l10 .*; l19 [^;]*; and 3 more\.$/),
      context: { paths: Array.from({ length: 10 }, (_, i) => `l1${i}`), more: 3 },
    });
  });
});

test('a directory that cannot be read is named', async ({ expect }) => {
  const project = aProject({ 'open/a': '', 'closed/b': '' });
  chmodSync(project, 0o755);
  chmodSync(join(project, 'open'), 0o755);
  chmodSync(join(project, 'closed'), 0);
  onTestFinished(() => chmodSync(join(project, 'closed'), 0o755));
  await asNobody(() =>
    expect(aTree(project)).rejects.toMatchObject({
      code: 'PACK_REFUSED',
      message: 'Not packed: closed cannot be read (EACCES).',
      hint: 'add to .dockerignore:\n  closed',
    }),
  );
});

test('a name that is not valid UTF-8 is refused, not mangled', async ({ expect, skip }) => {
  const project = aFolder();
  try {
    writeFileSync(Buffer.concat([Buffer.from(`${project}/caf`), Buffer.from([0xe9])]), 'x');
  } catch {
    skip('this file system takes only UTF-8');
  }
  await expect(aTree(project)).rejects.toMatchObject({
    code: 'PACK_REFUSED',
    message: 'Not packed: caf\uFFFD has a name that is not valid UTF-8.',
  });
});

test('hard links are files of their own, the executable bit is the owner’s', async ({ expect }) => {
  const project = aProject({ a: 'x', b: { script: 'y' } });
  linkSync(join(project, 'a'), join(project, 'c'));
  chmodSync(join(project, 'b'), 0o744);
  chmodSync(join(project, 'a'), 0o655);
  expect((await aTree(project)).entries).toMatchObject([
    { kind: 'file', path: 'usr/app/a', from: 'a', size: 1, executable: false },
    { kind: 'file', path: 'usr/app/b', from: 'b', size: 1, executable: true },
    { kind: 'file', path: 'usr/app/c', from: 'c', size: 1, executable: false },
  ]);
});

test('a wide and deep tree is listed whole', async ({ expect }) => {
  const paths = Array.from({ length: 600 }, (_, i) => `d${i % 7}/e${i % 31}/f${i}`);
  const tree = await aTree(aProject(Object.fromEntries(paths.map((path) => [path, '']))));
  const files = tree.entries
    .filter(({ kind }) => kind === 'file')
    .map(({ path }) => path.replace('usr/app/', ''));
  expect(new Set(files)).toEqual(new Set(paths));
});
