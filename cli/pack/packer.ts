import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PackedLayer, PackedSource, Packer, PackRequest } from '../lib/parts.ts';
import { dependencyLayer } from './dependency-layer.ts';
import { hashLayer, spoolLayer } from './layer.ts';
import type { LayerTree } from './layer-tree.ts';
import { moduleCommand, resolveModule } from './module.ts';
import { type PackPlan, planPack } from './plan.ts';

/** From this size on the largest files are named: a dataset among the code is rarely meant. */
const LARGE_BYTES = 20 * 1024 * 1024;

/** Packs source trees into layers; what has to be uploaded is spooled below a folder of its own. */
export function createPacker(): Packer {
  let spool: Promise<string> | undefined;
  const spoolDir = () => {
    spool ??= mkdtemp(join(tmpdir(), 'caliban-spool-'));
    return spool;
  };

  async function packed(tree: LayerTree, signal?: AbortSignal): Promise<PackedLayer> {
    const { diffId, uncompressedSize } = await hashLayer(tree, signal);
    const spoolIt = async () =>
      spoolLayer(tree, {
        diffId,
        dir: await spoolDir(),
        ...(signal === undefined ? {} : { signal }),
      });
    return { diffId, uncompressedSize, spool: spoolIt };
  }

  async function pack(request: PackRequest): Promise<PackedSource> {
    const { contextDir, module, extraDirs, signal } = request;
    const plan = await planPack({ contextDir, moduleArgument: module, extraDirs, signal });
    noteWhatGoesUp(plan, request.note);
    const code: PackedLayer[] = [];
    for (const tree of plan.layers) code.push(await packed(tree, signal));
    const { requirements } = plan.dependencyFiles;
    const dependency =
      requirements === undefined
        ? null
        : await packed(await dependencyLayer(contextDir, [requirements]), signal);
    return {
      scriptPath: plan.module.scriptPath,
      command: plan.command,
      layers: dependency === null ? code : [...code, dependency],
      codeLayers: code.map(({ diffId }) => diffId),
      dependencies: {
        base: null,
        apt: [],
        python: null,
        extras: [...request.extras],
        layer: dependency?.diffId ?? null,
        requirements: requirements ?? null,
      },
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
      return packed(await dependencyLayer(dir, ['config.json']));
    },
    async dispose() {
      if (spool !== undefined) await rm(await spool, { recursive: true, force: true });
    },
  };
}

function noteWhatGoesUp(plan: PackPlan, note: (line: string) => void): void {
  for (const { message } of plan.notices) note(message);
  const total = plan.largest.reduce((sum, { size }) => sum + size, 0);
  if (total < LARGE_BYTES) return;
  note('The largest files that go up (leave some out with .dockerignore):');
  for (const { path, size } of plan.largest)
    note(`  ${(size / 1024 / 1024).toFixed(1).padStart(8)} MiB  ${path}`);
}
