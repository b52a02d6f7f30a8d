import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECT_CONFIG_FILE, type ProjectConfig } from '../../shared/config/project-config.ts';
import { aptPackages } from '../../shared/image/apt-package.ts';
import type { PackedLayer, PackedSource, Packer, PackRequest } from '../lib/parts.ts';
import { dependencyLayer } from './dependency-layer.ts';
import { hashLayer, type LayerKey, spoolLayer } from './layer.ts';
import type { LayerTree } from './layer-tree.ts';
import { moduleCommand, resolveModule } from './module.ts';
import { type PackPlan, planPack } from './plan.ts';
import { readProjectConfig } from './read-project-config.ts';
import { openStatCache, type StatCache } from './stat-cache.ts';

/** From this size on the largest files are named: a dataset among the code is rarely meant. */
const LARGE_BYTES = 20 * 1024 * 1024;

export interface PackerOptions {
  /** Milliseconds since 1970, of the clock that the file system's times come from. */
  readonly now?: () => number;
}

/** Packs source trees into layers; what has to be uploaded is spooled below a folder of its own. */
export function createPacker({ now = Date.now }: PackerOptions = {}): Packer {
  let spool: Promise<string> | undefined;
  const spoolDir = () => {
    spool ??= mkdtemp(join(tmpdir(), 'caliban-spool-'));
    return spool;
  };

  const layerOf = (tree: LayerTree, key: LayerKey, signal?: AbortSignal): PackedLayer => ({
    diffId: key.diffId,
    uncompressedSize: key.uncompressedSize,
    spool: async () =>
      spoolLayer(tree, {
        diffId: key.diffId,
        dir: await spoolDir(),
        ...(signal === undefined ? {} : { signal }),
      }),
  });

  async function pack(request: PackRequest): Promise<PackedSource> {
    const { contextDir, module, extraDirs, signal } = request;
    const config = await readProjectConfig(contextDir, request.mode);
    // What can be refused here is not found out after an upload.
    aptPackages(config.aptPackages);
    const cache = await openStatCache({
      dir: request.cacheDir,
      contextDir: await realpath(contextDir),
      walkedAtMs: now(),
    });
    const plan = await planPack({
      contextDir,
      moduleArgument: module,
      extraDirs,
      ...(request.dataDir === undefined ? {} : { leftOut: request.dataDir }),
      signal,
      isInspected: (layer) => cache.find(layer) !== undefined,
    });
    noteWhatGoesUp(plan, request.note);
    noteUnused(config, request.note);
    const packed = async (tree: LayerTree) =>
      layerOf(tree, await keyOf(tree, cache, signal), signal);
    const code: PackedLayer[] = [];
    for (const tree of plan.layers) code.push(await packed(tree));
    const { requirements } = plan.dependencyFiles;
    const dependency =
      requirements === undefined
        ? null
        : await packed(await dependencyLayer(contextDir, [requirements]));
    await cache.save();
    return {
      scriptPath: plan.module.scriptPath,
      command: plan.command,
      layers: dependency === null ? code : [...code, dependency],
      codeLayers: code.map(({ diffId }) => diffId),
      dependencies: dependenciesOf({ request, plan, config }, dependency),
    };
  }

  return {
    pack,
    async resolveModule(contextDir, word) {
      const target = await resolveModule(contextDir, word);
      return { scriptPath: target.scriptPath, command: moduleCommand(target) };
    },
    async packConfig(text) {
      const dir = await mkdtemp(join(await spoolDir(), 'config-'));
      await writeFile(join(dir, 'config.json'), text);
      const tree = await dependencyLayer(dir, ['config.json']);
      return layerOf(tree, await hashLayer(tree));
    },
    async dispose() {
      if (spool !== undefined) await rm(await spool, { recursive: true, force: true });
    },
  };
}

function dependenciesOf(
  from: { readonly request: PackRequest; readonly plan: PackPlan; readonly config: ProjectConfig },
  layer: PackedLayer | null,
): PackedSource['dependencies'] {
  const { baseImage, aptPackages, pythonVersion } = from.config;
  return {
    base: baseImage,
    apt: [...aptPackages],
    python: pythonVersion,
    extras: [...from.request.extras],
    layer: layer?.diffId ?? null,
    requirements: from.plan.dependencyFiles.requirements ?? null,
  };
}

function noteUnused({ unused }: ProjectConfig, note: (line: string) => void): void {
  if (unused.length === 0) return;
  note(`${PROJECT_CONFIG_FILE}: ${unused.join(', ')} has no effect in this version.`);
}

async function keyOf(tree: LayerTree, cache: StatCache, signal: AbortSignal): Promise<LayerKey> {
  const known = cache.find(tree);
  if (known !== undefined) return known;
  const key = await hashLayer(tree, signal);
  cache.record(tree, key);
  return key;
}

// As shown, anything smaller is 0.0 MiB.
const LISTED_BYTES = 0.1 * 1024 * 1024;

function noteWhatGoesUp(plan: PackPlan, note: (line: string) => void): void {
  for (const { message } of plan.notices) note(message);
  const total = plan.largest.reduce((sum, { size }) => sum + size, 0);
  if (total < LARGE_BYTES) return;
  note('The largest files that go up (leave some out with .dockerignore):');
  for (const { path, size } of plan.largest.filter(({ size }) => size >= LISTED_BYTES))
    note(`  ${(size / 1024 / 1024).toFixed(1).padStart(8)} MiB  ${path}`);
}
