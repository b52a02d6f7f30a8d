import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createPacker } from '../../cli/pack/packer.ts';
import { benchFolder } from './bench-service.ts';
import { compare, ms, report } from './measure.ts';
import { sizes } from './sizes.ts';
import { makeSourceTree } from './source-tree.ts';

// Packing an unchanged tree again, against a bare recursive lstat of it, one call after another and all at once.
const { files, count } = sizes({ files: 20_000, count: 9 });
const folder = await benchFolder();
const contextDir = join(folder, 'context');

function bareSync(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    lstatSync(below);
    if (entry.isDirectory()) bareSync(below);
  }
}

async function bareParallel(path: string): Promise<void> {
  const visit = async (entry: Dirent): Promise<void> => {
    const below = join(path, entry.name);
    await lstat(below);
    if (entry.isDirectory()) await bareParallel(below);
  };
  await Promise.all((await readdir(path, { withFileTypes: true })).map(visit));
}

// Long after the files were written, so that they are trusted.
const packer = createPacker({ now: () => Date.now() + 60_000 });

async function pack(cacheDir: string): Promise<string> {
  const { layers } = await packer.pack({
    contextDir,
    cacheDir,
    module: 'trainer.train',
    extraDirs: [],
    extras: [],
    mode: 'cpu',
    signal: new AbortController().signal,
    note: () => {},
  });
  return layers.map(({ diffId }) => diffId).join();
}

try {
  makeSourceTree(contextDir, { files, bytes: files * 1_000 });
  const cacheDir = join(folder, 'cache');
  const first = await pack(cacheDir);
  if (readdirSync(cacheDir).length !== 1) throw new Error('nothing was remembered');
  if ((await pack(cacheDir)) !== first) throw new Error('the two packs differ');
  let fresh = 0;
  const times = await compare(count, {
    again: () => pack(cacheDir),
    whole: () => pack(join(folder, `cache${fresh++}`)),
    bareSync: () => bareSync(contextDir),
    bareParallel: () => bareParallel(contextDir),
  });
  const { again = 0, whole = 0, bareSync: sync = 1, bareParallel: parallel = 1 } = times;
  const what = `packing an unchanged tree of ${files.toLocaleString('en')} files again (\`pack-unchanged\`)`;
  const measured = `${ms(again)}; ${ms(whole)} when its files are read`;
  const target = '≤ 2';
  const baseline = `a bare recursive \`lstat\` of it, synchronous: ${ms(sync)}`;
  report({ what, ratio: again / sync, target, measured, baseline });
  const other = `the same, asynchronous and in parallel: ${ms(parallel)}`;
  report({ what, ratio: again / parallel, target, measured, baseline: other });
} finally {
  await packer.dispose();
  await rm(folder, { recursive: true });
}
