import {
  type Dirent,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPacker } from '../../cli/pack/packer.ts';
import { compare, report } from './measure.ts';

// Packing an unchanged tree of 5,000 files again, against a bare recursive lstat of it, at once and one call after another.
const FOLDERS = 100;
const FILES_IN_EACH = 50;

const folder = mkdtempSync(join(tmpdir(), 'caliban-bench-'));
const contextDir = join(folder, 'context');
for (let index = 0; index < FOLDERS; index++) {
  const below = join(contextDir, 'trainer', `part${index % 10}`, `folder${index}`);
  mkdirSync(below, { recursive: true });
  for (let file = 0; file < FILES_IN_EACH; file++)
    writeFileSync(join(below, `module_${file}.py`), `value = ${index * file}\n`.repeat(100));
}
writeFileSync(join(contextDir, 'trainer', 'train.py'), 'print(1)\n');

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
  const cacheDir = join(folder, 'cache');
  const first = await pack(cacheDir);
  if (readdirSync(cacheDir).length !== 1) throw new Error('nothing was remembered');
  if ((await pack(cacheDir)) !== first) throw new Error('the two packs differ');
  let fresh = 0;
  const times = await compare(9, {
    again: () => pack(cacheDir),
    whole: () => pack(join(folder, `cache${fresh++}`)),
    bareSync: () => bareSync(contextDir),
    bareParallel: () => bareParallel(contextDir),
  });
  const { again = 0, whole = 0, bareSync: sync = 1, bareParallel: parallel = 1 } = times;
  const ms = `${again.toFixed(0)} ms, ${whole.toFixed(0)} ms when read`;
  report('5,000 unchanged files packed again', again / parallel, `${ms}; against parallel lstat`);
  report('5,000 unchanged files packed again', again / sync, `${ms}; against synchronous lstat`);
} finally {
  await packer.dispose();
  rmSync(folder, { recursive: true });
}
