import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { VERSION } from '../lib/version.ts';
import { errorCode } from './error-code.ts';
import type { LayerKey } from './layer.ts';
import type { LayerTree, TreeEntry } from './layer-tree.ts';
import { isInside } from './walk.ts';

/** Keys of layers by what the file system says about their files; a tree found here need not be opened. */
export interface StatCache {
  /** The key of a tree that is as it was when recorded: its bytes, and what the credential guard said of them. */
  find(tree: LayerTree): LayerKey | undefined;
  /** Remembers the key of a tree that passed the guard and was hashed after this cache was opened. */
  record(tree: LayerTree, key: LayerKey): void;
  /** Writes what was recorded. A cache that cannot be written costs time only, so that is no error. */
  save(): Promise<void>;
}

export interface StatCacheOptions {
  /** Where cache files are kept; made when first written. */
  readonly dir: string;
  /** The build context, absolute and without symbolic links. */
  readonly contextDir: string;
  /** Wall clock (ms since 1970) just before the context is walked. */
  readonly walkedAtMs: number;
}

/** Raise when a tar's bytes or the guard's verdicts change for the same files. */
const FORMAT = 1;

/**
 * A file younger than this when the walk began may be edited again within the same tick of its file system's clock,
 * which nothing would show afterwards. FAT counts in steps of two seconds, the coarsest.
 */
const GRANULARITY_MS = 2_000;

const MAX_ENTRIES = 200_000;
const MAX_LAYERS = 32;
const MAX_FILE_BYTES = 64 * 1024;

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const cacheFile = z.object({
  format: z.literal(FORMAT),
  program: z.literal(VERSION),
  layers: z
    .array(
      z.object({ fingerprint: hex, diffId: hex, uncompressedSize: z.number().int().nonnegative() }),
    )
    .max(MAX_LAYERS),
});

type RecordedLayer = z.infer<typeof cacheFile>['layers'][number];

interface Fingerprint {
  readonly digest: string;
  /** The latest change of any file. */
  readonly youngestNs: bigint;
}

const NO_CACHE: StatCache = { find: () => undefined, record: () => {}, save: async () => {} };

/**
 * The cache of one build context. A file that is damaged, or of another version, counts as empty. A cache inside the
 * context would change what is packed: then nothing is remembered.
 */
export async function openStatCache(options: StatCacheOptions): Promise<StatCache> {
  const { contextDir } = options;
  if (isInside(contextDir, await realAncestor(options.dir))) return NO_CACHE;
  const path = join(options.dir, `${sha256(contextDir)}.json`);
  let layers = await readLayers(path);
  let changed = false;
  const known = new WeakMap<LayerTree, Fingerprint | null>();
  const fingerprint = (tree: LayerTree): Fingerprint | null => {
    let found = known.get(tree);
    if (found === undefined) {
      found = fingerprintOf(tree);
      known.set(tree, found);
    }
    return found;
  };
  const trustedBeforeNs = BigInt(options.walkedAtMs - GRANULARITY_MS) * 1_000_000n;
  return {
    find(tree) {
      const digest = fingerprint(tree)?.digest;
      const layer = layers.find((recorded) => recorded.fingerprint === digest);
      return layer && { diffId: layer.diffId, uncompressedSize: layer.uncompressedSize };
    },
    record(tree, key) {
      const print = fingerprint(tree);
      if (print === null || print.youngestNs >= trustedBeforeNs) return;
      const others = layers.filter((recorded) => recorded.fingerprint !== print.digest);
      layers = [{ fingerprint: print.digest, ...key }, ...others].slice(0, MAX_LAYERS);
      changed = true;
    },
    async save() {
      if (changed) await writeLayers(path, layers);
      changed = false;
    },
  };
}

/** What a tree's tar depends on, without its files' bytes but with whatever changes when these do. */
function fingerprintOf(tree: LayerTree): Fingerprint | null {
  if (tree.entries.length > MAX_ENTRIES) return null;
  const names: string[] = [];
  const numbers = new BigInt64Array(tree.entries.length * NUMBERS_EACH);
  let youngestNs = 0n;
  let at = 0;
  for (const entry of tree.entries) {
    names.push(namesOf(entry));
    if (entry.kind !== 'file') continue;
    if (entry.stamp === undefined) return null;
    const { mtimeNs, ctimeNs, ino } = entry.stamp;
    youngestNs = later(youngestNs, later(mtimeNs, ctimeNs));
    numbers[at++] = mtimeNs;
    numbers[at++] = ctimeNs;
    numbers[at++] = ino;
    numbers[at++] = BigInt(entry.size);
  }
  const digest = createHash('sha256').update(names.join('')).update(numbers.subarray(0, at));
  return { digest: digest.digest('hex'), youngestNs };
}

const NUMBERS_EACH = 4;

/** Every part ends in a NUL, which no path holds, so that two trees never read the same; each file has its numbers behind. */
function namesOf(entry: TreeEntry): string {
  if (entry.kind === 'directory') return `d\0${entry.path}\0`;
  if (entry.kind === 'symlink') return `l\0${entry.path}\0${entry.target}\0`;
  return `${entry.executable ? 'x' : 'f'}\0${entry.path}\0${entry.from}\0`;
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

async function readLayers(path: string): Promise<readonly RecordedLayer[]> {
  try {
    if ((await stat(path)).size > MAX_FILE_BYTES) return [];
    const text = await readFile(path, 'utf8');
    return cacheFile.parse(JSON.parse(text)).layers;
  } catch (error) {
    if (isIgnorable(error)) return [];
    throw error;
  }
}

function isIgnorable(error: unknown): boolean {
  return (
    errorCode(error) !== undefined || error instanceof SyntaxError || error instanceof z.ZodError
  );
}

/** Under another name first: whoever reads it meanwhile sees the old file or the new one, whole. */
async function writeLayers(path: string, layers: readonly RecordedLayer[]): Promise<void> {
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const text = JSON.stringify({ format: FORMAT, program: VERSION, layers });
    await writeFile(partial, text, { mode: 0o600, flag: 'wx' });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    if (errorCode(error) === undefined) throw error;
  }
}

/** Where a path that may not exist yet really lies: its nearest existing folder. */
async function realAncestor(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  const parent = dirname(path);
  return real ?? (parent === path ? path : realAncestor(parent));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
