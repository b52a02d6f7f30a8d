import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../ports/runtime.ts';
import { orAbsent, replaceFile } from '../durable-file.ts';
import { copyTree } from './workspace-copy.ts';

const KEPT_UNUSED_MS = 24 * 3_600_000;
const TOUCHED_MS = 60_000;

/** The tar of a layer, and how to unpack one. */
export interface LayerSource {
  readonly openLayer: (diffId: string) => Promise<AsyncIterable<Uint8Array>>;
  readonly extractLayer: (
    tar: AsyncIterable<Uint8Array>,
    targetDir: string,
    options: { readonly stripPrefix: 'usr/app/' },
  ) => Promise<void>;
}

/** Source trees to run in: unpacked once for each list of layers, copied for each attempt. */
export interface Workspaces {
  /** Makes `target` a private copy; nothing when it is there already (it appears as a whole). */
  prepare(layers: readonly string[], target: string): Promise<void>;
  /** Removes the trees that nobody used for 24 h; not those of `needed`, nor one that is being copied. */
  sweep(needed: readonly (readonly string[])[]): Promise<void>;
}

/**
 * The cache lives for one boot: files that a power cut may have emptied are never used again. A tree's own time of
 * modification is that of its last use.
 */
export async function openWorkspaces(
  dir: string,
  bootId: string,
  source: LayerSource & { readonly clock: Clock },
): Promise<Workspaces> {
  await openCache(dir, bootId);
  const unpacking = new Map<string, Promise<string>>();
  const touchedAt = new Map<string, number>();
  const removing = new Map<string, Promise<void>>();
  const users = new Map<string, number>();

  async function unpackedOnce(key: string, layers: readonly string[]): Promise<string> {
    await removing.get(key)?.catch(() => undefined); // who removes tells
    const known = unpacking.get(key);
    if (known !== undefined) return known;
    const work = unpack(join(dir, key), layers, source).finally(() => unpacking.delete(key));
    unpacking.set(key, work);
    return work;
  }

  async function copyOf(layers: readonly string[], target: string): Promise<void> {
    const key = keyOf(layers);
    users.set(key, (users.get(key) ?? 0) + 1);
    try {
      const tree = await unpackedOnce(key, layers);
      await touch(key, tree);
      await copyTree(tree, target);
    } finally {
      users.set(key, (users.get(key) ?? 1) - 1);
    }
  }

  // Its use is told to the minute.
  async function touch(key: string, tree: string): Promise<void> {
    const now = source.clock.now();
    if (now - (touchedAt.get(key) ?? Number.NEGATIVE_INFINITY) < TOUCHED_MS) return;
    await utimes(tree, now / 1000, now / 1000);
    touchedAt.set(key, now);
  }

  async function removeUnused(key: string): Promise<void> {
    const used = await orAbsent(stat(join(dir, key)));
    const isRecent = used === null || source.clock.now() - used.mtimeMs < KEPT_UNUSED_MS;
    if (isRecent || (users.get(key) ?? 0) > 0) return;
    touchedAt.delete(key);
    const work = removeWhole(join(dir, key)).finally(() => removing.delete(key));
    removing.set(key, work);
    await work;
  }

  return {
    prepare: async (layers, target) => {
      if (existsSync(target)) return;
      await appear(target, async (temporary) => {
        if (layers.length === 0) await mkdir(temporary);
        else await copyOf(layers, temporary);
      });
    },
    sweep: async (needed) => {
      const kept = new Set(needed.map(keyOf));
      const keys = (await readdir(dir)).filter((name) => /^[0-9a-f]{64}$/.test(name));
      for (const key of keys) {
        if (!kept.has(key)) await removeUnused(key);
      }
    },
  };
}

async function openCache(dir: string, bootId: string): Promise<void> {
  const bootFile = join(dir, 'boot');
  if ((await orAbsent(readFile(bootFile, 'utf8'))) !== bootId) {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    await replaceFile(bootFile, bootId);
  }
  const unfinished = (await readdir(dir)).filter((name) => /\.(tmp|gone)$/.test(name));
  for (const name of unfinished) await rm(join(dir, name), { recursive: true, force: true });
}

function keyOf(layers: readonly string[]): string {
  return createHash('sha256').update(layers.join('\n')).digest('hex');
}

// Renamed first: what has a tree's name is always whole.
async function removeWhole(tree: string): Promise<void> {
  await rm(`${tree}.gone`, { recursive: true, force: true });
  await rename(tree, `${tree}.gone`);
  await rm(`${tree}.gone`, { recursive: true, force: true });
}

async function unpack(
  target: string,
  layers: readonly string[],
  source: LayerSource,
): Promise<string> {
  if (existsSync(target)) return target;
  await appear(target, async (temporary) => {
    await mkdir(temporary);
    for (const layer of layers) {
      await source.extractLayer(await source.openLayer(layer), temporary, {
        stripPrefix: 'usr/app/',
      });
    }
  });
  return target;
}

// As a whole or not at all; on a full disk what was made must not stay in the way.
async function appear(target: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${target}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  try {
    await make(temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
