import fs, {
  type BigIntStats,
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, test, vi } from 'vitest';
import type { FileStamp, LayerTree } from '../../../../cli/pack/layer-tree.ts';

/** Every path opened since it was last emptied; the modules under test are loaded after this counting begins. */
const opened: string[] = [];
const { open } = fs;
const { readFile } = fs.promises;
Object.assign(fs, {
  open: (...given: Parameters<typeof open>) => {
    opened.push(String(given[0]));
    open(...given);
  },
});
Object.assign(fs.promises, {
  readFile: (...given: Parameters<typeof readFile>) => {
    opened.push(String(given[0]));
    return readFile(...given);
  },
});
syncBuiltinESMExports();
afterAll(() => {
  Object.assign(fs, { open });
  Object.assign(fs.promises, { readFile });
  syncBuiltinESMExports();
});
// Another test file of this process may have loaded them.
vi.resetModules();
const { aFolder, aProject, aTree, tool } = await import('./a-project.ts');
const { hashLayer } = await import('../../../../cli/pack/layer.ts');
const { createPacker } = await import('../../../../cli/pack/packer.ts');
const { openStatCache } = await import('../../../../cli/pack/stat-cache.ts');

const MINUTE_MS = 60_000;
const later = () => Date.now() + MINUTE_MS;

/** The code layer's id, from a pack that may use the cache. */
async function pack(contextDir: string, cacheDir: string, now: () => number): Promise<string> {
  const { layers } = await createPacker({ now }).pack({
    contextDir,
    cacheDir,
    module: 'pkg/main.py',
    extraDirs: [],
    extras: [],
    mode: 'cpu',
    signal: new AbortController().signal,
    note: () => {},
  });
  return layers.map(({ diffId }) => diffId).join(' ');
}

/** What a pack without a cache gives. */
const truth = (contextDir: string) => pack(contextDir, aFolder(), Date.now);

/** Ends when the file system's clock has left the tick of everything written before. */
function nextTick(folder: string): void {
  const probe = join(folder, 'probe');
  writeFileSync(probe, '');
  const before = lstatSync(probe, { bigint: true }).ctimeNs;
  while (lstatSync(probe, { bigint: true }).ctimeNs === before) writeFileSync(probe, '');
}

// What says how to pack is read each time.
const SETTINGS = ['.calibanconfig.json', '.dockerignore'];

const KEY = { diffId: 'a'.repeat(64), uncompressedSize: 10_240 };

describe('an unchanged tree', () => {
  test('gives the same layers without opening a file, not even a suspected credential', async ({
    expect,
  }) => {
    const files = { 'pkg/main.py': 'x', 'pkg/a.json': '{}', 'requirements.txt': 'numpy' };
    const contextDir = aProject(files);
    const cacheDir = aFolder();
    const inContext = () => opened.splice(0).filter((path) => path.startsWith(contextDir));
    const first = await pack(contextDir, cacheDir, later);
    expect(new Set(inContext())).toEqual(
      new Set([...Object.keys(files), ...SETTINGS].map((path) => join(contextDir, path))),
    );
    expect(await pack(contextDir, cacheDir, later)).toBe(first);
    expect(inContext().toSorted()).toEqual(SETTINGS.map((path) => join(contextDir, path)));
  });

  test('just written is read again: nothing would show an edit in the same tick', async ({
    expect,
  }) => {
    const contextDir = aProject({ 'pkg/main.py': 'x' });
    const cacheDir = aFolder();
    await pack(contextDir, cacheDir, Date.now);
    expect(readdirSync(cacheDir)).toEqual([]);
  });

  test('is trusted from two seconds of age on, by the younger of its two times', async ({
    expect,
  }) => {
    const contextDir = aFolder();
    const dir = aFolder();
    const found = async (ageMs: number, times: { mtimeMs: number; ctimeMs: number }) => {
      const tree = aSyntheticTree(contextDir, times);
      const walkedAtMs = 1_000_000 + ageMs;
      const cache = await openStatCache({ dir, contextDir, walkedAtMs });
      cache.record(tree, KEY);
      return cache.find(tree) !== undefined;
    };
    const change = { mtimeMs: 1_000_000, ctimeMs: 999_000 };
    expect(await found(2_000, change)).toBe(false);
    expect(await found(2_001, change)).toBe(true);
    expect(await found(2_000, { mtimeMs: 999_000, ctimeMs: 1_000_000 })).toBe(false);
    expect(await found(2_001, { mtimeMs: 999_000, ctimeMs: 1_000_000 })).toBe(true);
  });
});

function aSyntheticTree(
  contextDir: string,
  { mtimeMs, ctimeMs }: { mtimeMs: number; ctimeMs: number },
): LayerTree {
  const ns = (ms: number) => BigInt(ms) * 1_000_000n;
  const stamp = { mtimeNs: ns(mtimeMs), ctimeNs: ns(ctimeMs), ino: 1n };
  const path = 'usr/app/a';
  return {
    root: '.',
    contextDir,
    entries: [{ kind: 'file', path, from: 'a', size: 1, executable: false, stamp }],
  };
}

const NAMES = ['pkg/a.py', 'pkg/b.py', 'pkg/sub/c.py'];
const name = fc.constantFrom(...NAMES);
const edit = fc.oneof(
  fc.record({ kind: fc.constant('content'), name, byte: fc.constantFrom('x', 'y', 'z') }),
  fc.record({ kind: fc.constant('same mtime'), name, byte: fc.constantFrom('x', 'y', 'z') }),
  fc.record({ kind: fc.constantFrom('swap', 'replace', 'chmod', 'link', 'remove', 'pack'), name }),
  fc.record({ kind: fc.constantFrom('settle and pack'), name }),
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function apply(contextDir: string, edited: Edit): void {
  const path = join(contextDir, edited.name);
  const byte = 'byte' in edited ? edited.byte : 'r';
  const stats = statSync(path, { throwIfNoEntry: false });
  if (edited.kind === 'content') writeFileSync(path, byte);
  else if (edited.kind === 'remove') rmSync(path, { force: true });
  else if (edited.kind === 'chmod' && stats) chmodSync(path, stats.mode ^ 0o111);
  else if (edited.kind === 'same mtime' && stats) {
    writeFileSync(path, byte);
    utimesSync(path, stats.atime, stats.mtime);
  } else if (edited.kind === 'replace') {
    writeFileSync(`${path}.new`, byte);
    renameSync(`${path}.new`, path);
  } else if (edited.kind === 'swap' && stats) {
    renameSync(path, join(contextDir, 'pkg/a.py'));
  } else if (edited.kind === 'link') {
    const link = join(contextDir, 'pkg/link');
    rmSync(link, { force: true });
    symlinkSync(edited.name.slice('pkg/'.length), link);
  }
}

test('whatever is edited, and however soon, no layer is stale', { timeout: 60_000 }, async ({
  expect,
}) => {
  let reused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 4, maxLength: 16 }), async (edits) => {
      const contextDir = aProject({
        'pkg/main.py': 'm',
        ...Object.fromEntries(NAMES.map((path) => [path, 'x'])),
      });
      const cacheDir = aFolder();
      const scratch = aFolder();
      const packAndCompare = async (now: () => number) => {
        opened.length = 0;
        const given = await pack(contextDir, cacheDir, now);
        if (!opened.includes(join(contextDir, 'pkg/main.py'))) reused++;
        expect(given).toBe(await truth(contextDir));
      };
      for (const next of edits) {
        apply(contextDir, next);
        if (next.kind === 'pack') await packAndCompare(Date.now);
        if (next.kind !== 'settle and pack') continue;
        nextTick(scratch);
        await packAndCompare(later);
      }
      await packAndCompare(Date.now);
    }),
    { numRuns: 20 },
  );
  expect(reused).toBeGreaterThan(0);
});

describe('a file that was changed', () => {
  const MAIN = 'pkg/main.py';

  /** The file as it was recorded, its new content in place, and what the cache says of the tree then. */
  async function afterChange(change: (path: string, before: BigIntStats) => void) {
    const contextDir = aProject({ [MAIN]: 'x' });
    const path = join(contextDir, MAIN);
    const cache = await openStatCache({ dir: aFolder(), contextDir, walkedAtMs: later() });
    const recorded = await aTree(contextDir, 'pkg');
    cache.record(recorded, KEY);
    if (cache.find(recorded) === undefined) throw new Error('nothing was recorded');
    const before = lstatSync(path, { bigint: true });
    nextTick(aFolder());
    change(path, before);
    const after = lstatSync(path, { bigint: true });
    return { before, after, found: cache.find(await aTree(contextDir, 'pkg')) };
  }

  // As tar, rsync and git-restore-mtime do; only `touch` sets whole nanoseconds, which Node cannot.
  const setMtime = (path: string, like: string) => tool('touch', ['-m', '-r', like, path]);

  test('under its old size and time is read again: its ctime tells', async ({ expect }) => {
    const { before, after, found } = await afterChange((path) => {
      const like = join(aFolder(), 'like');
      writeFileSync(like, '');
      setMtime(like, path);
      writeFileSync(path, 'y');
      setMtime(path, like);
    });
    expect(after).toMatchObject({ size: before.size, mtimeNs: before.mtimeNs, ino: before.ino });
    expect(after.ctimeNs).not.toBe(before.ctimeNs);
    expect(found).toBeUndefined();
  });

  test('in nothing but its ctime is read again: nobody knows what else it hides', async ({
    expect,
  }) => {
    const { before, after, found } = await afterChange((path) => {
      chmodSync(path, 0o600);
      chmodSync(path, 0o644);
    });
    expect(after).toMatchObject({ size: before.size, mtimeNs: before.mtimeNs, ino: before.ino });
    expect(after.ctimeNs).not.toBe(before.ctimeNs);
    expect(found).toBeUndefined();
  });

  test('by a rename over it, with equal size and times, is read again: its inode tells', async ({
    expect,
  }) => {
    const contextDir = aProject({ [MAIN]: 'x' });
    const cache = await openStatCache({ dir: aFolder(), contextDir, walkedAtMs: later() });
    const tree = await aTree(contextDir, 'pkg');
    // A rename sets the ctime; file systems that do not, and clocks that stand still, leave the inode alone to tell.
    const recorded = withStamps(tree, { mtimeNs: 1n, ctimeNs: 1n });
    cache.record(recorded, KEY);
    expect(cache.find(recorded)).toEqual(KEY);
    const path = join(contextDir, MAIN);
    writeFileSync(`${path}.new`, 'y');
    renameSync(`${path}.new`, path);
    const replaced = withStamps(await aTree(contextDir, 'pkg'), { mtimeNs: 1n, ctimeNs: 1n });
    expect(cache.find(replaced)).toBeUndefined();
  });
});

/** The tree with its files' times set. */
function withStamps(tree: LayerTree, times: Omit<FileStamp, 'ino'>): LayerTree {
  const entries = tree.entries.map((entry) =>
    entry.kind !== 'file' || entry.stamp === undefined
      ? entry
      : { ...entry, stamp: { ...entry.stamp, ...times } },
  );
  return { ...tree, entries };
}

describe('the cache file', () => {
  async function aRecordedTree() {
    const contextDir = aProject({ 'pkg/main.py': 'x' });
    const dir = join(aFolder(), 'made', 'when needed');
    const tree = await aTree(contextDir, 'pkg');
    const key = await hashLayer(tree);
    const open = () => openStatCache({ dir, contextDir, walkedAtMs: later() });
    const cache = await open();
    cache.record(tree, key);
    await cache.save();
    const [file = ''] = readdirSync(dir);
    return { tree, key, open, dir, path: join(dir, file) };
  }

  test('is found by the next run, for this user only, and alone in its folder', async ({
    expect,
  }) => {
    const { tree, key, open, dir, path } = await aRecordedTree();
    expect((await open()).find(tree)).toEqual(key);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toHaveLength(1);
  });

  test.for([
    ['damaged', (text: string) => text.slice(0, -5)],
    ['of a newer format', (text: string) => text.replace('"format":1', '"format":2')],
    ['of another version', (text: string) => text.replace(/"program":"[^"]*"/, '"program":"x"')],
    ['of absurd size', (text: string) => text + ' '.repeat(100_000)],
    ['of another shape', (text: string) => text.replace(/"diffId":"/, '"diffId":"../')],
  ] as const)('%s counts as empty and is written anew', async ([, damage], { expect }) => {
    const { tree, key, open, path } = await aRecordedTree();
    writeFileSync(path, damage(readFileSync(path, 'utf8')));
    const cache = await open();
    expect(cache.find(tree)).toBeUndefined();
    cache.record(tree, key);
    await cache.save();
    expect((await open()).find(tree)).toEqual(key);
  });

  test('is never put into the build context, where it would be packed', async ({ expect }) => {
    const contextDir = aProject({ 'pkg/main.py': 'x' });
    await pack(contextDir, join(contextDir, 'pkg', 'cache'), later);
    expect(readdirSync(join(contextDir, 'pkg'))).toEqual(['main.py']);
  });

  test('that cannot be written costs nothing but time', async ({ expect }) => {
    const contextDir = aProject({ 'pkg/main.py': 'x' });
    const inTheWay = join(aFolder(), 'file');
    writeFileSync(inTheWay, '');
    expect(await pack(contextDir, join(inTheWay, 'cache'), later)).toBe(await truth(contextDir));
  });

  test('keeps the latest layers only', async ({ expect }) => {
    const contextDir = aFolder();
    const dir = aFolder();
    const cache = await openStatCache({ dir, contextDir, walkedAtMs: later() });
    const trees = Array.from({ length: 40 }, (_, index) =>
      aSyntheticTree(contextDir, { mtimeMs: index, ctimeMs: index }),
    );
    for (const tree of trees) cache.record(tree, KEY);
    await cache.save();
    const again = await openStatCache({ dir, contextDir, walkedAtMs: later() });
    expect(trees.map((tree) => again.find(tree) !== undefined)).toEqual(
      trees.map((_, index) => index >= 8),
    );
  });
});
