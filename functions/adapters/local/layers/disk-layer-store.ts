import pLimit from 'p-limit';
import {
  checkDeclaration,
  checkDiffId,
  checkDiffIds,
  type LayerLimits,
} from '../../../../shared/layers/layer-declaration.ts';
import { layerMissing } from '../../../../shared/layers/layer-errors.ts';
import { readLayerFile } from '../../../../shared/layers/read-layer-file.ts';
import type { LayerStore, StoredLayer, UploadSink } from '../../../ports/layer-store.ts';
import type { Clock } from '../../../ports/runtime.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { type LayerDisk, layerDisk } from './layer-disk.ts';
import { layerPaths } from './layer-paths.ts';
import { createLayerShelf } from './layer-shelf.ts';
import { createLayerStaging } from './layer-staging.ts';
import { sweepStaging } from './layer-sweep.ts';
import {
  beginUpload,
  completeUpload,
  faultOf,
  layerState,
  receiveBytes,
  type UploadParts,
} from './layer-uploads.ts';

/** Layers in a directory, and its upkeep. */
export interface DiskLayerStore extends LayerStore, UploadSink {
  /**
   * Removes uploads that were begun more than 7 days before `now` (UTC milliseconds), refusals as old, and what a crash
   * left. Returns the number of layers swept. Safe beside anything else.
   */
  sweep(now: number): Promise<number>;
}

/** Where layers are kept and how much of them. */
export interface DiskLayerOptions {
  /** Made, with mode 0700, when absent. One process at a time may write to it. */
  readonly dir: string;
  readonly limits: LayerLimits;
  readonly clock: Pick<Clock, 'now'>;
  /** The disk to use; tests inject faults. */
  readonly disk?: LayerDisk;
}

const CHECKS_AT_ONCE = 16;

/**
 * Opens the layers of a directory. A process that is killed at any moment leaves every layer either as it was or
 * published whole. Throws AppErrors DISK_FULL and DATA_DIR_UNUSABLE here and in all calls when the disk is full or forbidden,
 * SCHEMA_TOO_NEW for files of a later version.
 */
export async function openDiskLayerStore(options: DiskLayerOptions): Promise<DiskLayerStore> {
  const { clock, dir, disk = layerDisk, limits } = options;
  const paths = layerPaths(dir);
  await disk.makeDirectory(paths.staging);
  const shelf = createLayerShelf(disk, paths);
  const staging = createLayerStaging(disk, paths, () => clock.now());
  const parts: UploadParts = { disk, paths, limits, shelf, staging, lock: createKeyedLock() };
  const checks = pLimit(CHECKS_AT_ONCE);

  async function found(diffId: string): Promise<StoredLayer> {
    const layer = await shelf.find(checkDiffId(diffId));
    if (layer === undefined) throw layerMissing(diffId);
    return layer;
  }

  const open = async (diffId: string) => shelf.tar(await found(diffId));

  return {
    async check(diffIds) {
      checkDiffIds(diffIds);
      return Promise.all(diffIds.map((diffId) => checks(() => layerState(parts, diffId))));
    },
    async begin(declaration) {
      checkDeclaration(declaration, limits);
      await beginUpload(parts, declaration);
      return { uploadUrl: null };
    },
    receive: async (diffId, range, body) =>
      receiveBytes(parts, { diffId: checkDiffId(diffId), range }, body),
    complete: async (diffId) => completeUpload(parts, checkDiffId(diffId)),
    async verify(diffId) {
      await completeUpload(parts, checkDiffId(diffId));
    },
    open,
    reverify: async (diffId) => faultOf(parts, await found(diffId)),
    readFile: (diffId, path, maxBytes) => readLayerFile(() => open(diffId), { path, maxBytes }),
    sweep: (now) => sweepStaging(parts, now),
  };
}
