import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { orAbsent, replaceFile } from '../durable-file.ts';

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
}

/** The cache lives for one boot: files that a power cut may have emptied are never used again. */
export async function openWorkspaces(
  dir: string,
  bootId: string,
  source: LayerSource,
): Promise<Workspaces> {
  const bootFile = join(dir, 'boot');
  if ((await orAbsent(readFile(bootFile, 'utf8'))) !== bootId) {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    await replaceFile(bootFile, bootId);
  }
  const underway = new Map<string, Promise<string>>();

  function unpackedOnce(layers: readonly string[]): Promise<string> {
    const key = createHash('sha256').update(layers.join('\n')).digest('hex');
    const unpacking = underway.get(key) ?? unpack(join(dir, key), layers, source);
    underway.set(key, unpacking);
    const done = () => underway.delete(key);
    unpacking.then(done, done);
    return unpacking;
  }

  return {
    prepare: async (layers, target) => {
      if (await exists(target)) return;
      const temporary = `${target}.tmp`;
      await rm(temporary, { recursive: true, force: true });
      if (layers.length === 0) await mkdir(temporary);
      else await copyTree(await unpackedOnce(layers), temporary);
      await rename(temporary, target);
    },
  };
}

async function unpack(
  target: string,
  layers: readonly string[],
  source: LayerSource,
): Promise<string> {
  if (await exists(target)) return target;
  const temporary = `${target}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary);
  for (const layer of layers) {
    await source.extractLayer(await source.openLayer(layer), temporary, {
      stripPrefix: 'usr/app/',
    });
  }
  await rename(temporary, target);
  return target;
}

/** Copies a tree with its modes and links, sharing blocks where the file system can. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else await copyFile(source, target, constants.COPYFILE_FICLONE);
  }
  await chmod(to, (await stat(from)).mode);
}

async function exists(path: string): Promise<boolean> {
  return (await orAbsent(stat(path))) !== null;
}
