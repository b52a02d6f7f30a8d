import pLimit from 'p-limit';
import {
  checkDeclaration,
  checkDiffId,
  checkDiffIds,
  type LayerLimits,
} from '../../../shared/layers/layer-declaration.ts';
import { layerMissing } from '../../../shared/layers/layer-errors.ts';
import { readLayerFile } from '../../../shared/layers/read-layer-file.ts';
import type { LayerStore, StoredLayer } from '../../ports/layer-store.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import { layerCodec } from '../layers/layer-codec.ts';
import { gcsBucket } from './gcs-bucket.ts';
import { createGcsClient, type GcsSettings } from './gcs-client.ts';
import { findLayer, type LayerParts, type ShelvedLayer } from './gcs-layer-shelf.ts';
import { sweepUploads } from './gcs-layer-sweep.ts';
import { beginUpload, completeUpload, layerState } from './gcs-layer-uploads.ts';
import { faultOf, verifyUpload } from './gcs-layer-verify.ts';

/** Layers in a bucket, their upkeep, and their blobs as they are. */
export interface GcsLayerStore extends LayerStore {
  /**
   * Removes uploads that were opened more than 7 days before `now` (UTC milliseconds), and refusals as old; at most 500 objects a call.
   * Returns the number of layers swept. Safe beside anything else.
   */
  sweep(now: number): Promise<number>;
  /** The stored blob of a verified layer, as an image takes it. Throws AppError LAYER_MISSING. */
  readBlob(diffId: string): Promise<{
    readonly layer: StoredLayer;
    readonly bytes: AsyncIterable<Uint8Array>;
  }>;
}

/** Where layers are kept and how much of them. */
export interface GcsLayerOptions extends GcsSettings {
  readonly bucket: string;
  readonly limits: LayerLimits;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Log, 'info'>;
}

const CHECKS_AT_ONCE = 32;

/**
 * Layers of a hosted service: `layers/DIFFID` the verified ones, `sessions/DIFFID.json` which upload of a layer counts (or why it was
 * refused), `staging/DIFFID/SESSIONID` its bytes, which uploaders send to Cloud Storage itself. Any number of instances may work on one
 * bucket. All throw AppErrors UNAVAILABLE, and SCHEMA_TOO_NEW for what a later version wrote.
 */
export function createGcsLayerStore(options: GcsLayerOptions): GcsLayerStore {
  const { limits, clock, log } = options;
  const bucket = gcsBucket(createGcsClient(options), options.bucket);
  const parts: LayerParts = { bucket, limits, clock, log };
  const checks = pLimit(CHECKS_AT_ONCE);

  async function found(diffId: string): Promise<ShelvedLayer> {
    const shelved = await findLayer(parts, checkDiffId(diffId));
    if (shelved === undefined) throw layerMissing(diffId);
    return shelved;
  }

  async function readBlob(diffId: string) {
    const { layer, object } = await found(diffId);
    return { layer, bytes: bucket.stream(object, () => layerMissing(diffId)) };
  }

  async function open(diffId: string): Promise<AsyncIterable<Uint8Array>> {
    const { layer, bytes } = await readBlob(diffId);
    return layerCodec.decode(bytes, layer.encoding);
  }

  return {
    async check(diffIds) {
      checkDiffIds(diffIds);
      return checks.map(diffIds, (diffId) => layerState(parts, diffId));
    },
    async begin(declaration) {
      checkDeclaration(declaration, limits);
      return { uploadUrl: (await beginUpload(parts, declaration)) ?? null };
    },
    complete: async (diffId) => completeUpload(parts, checkDiffId(diffId)),
    verify: async (diffId) => verifyUpload(parts, checkDiffId(diffId)),
    open,
    reverify: async (diffId) => faultOf(parts, await found(diffId), () => layerMissing(diffId)),
    readFile: (diffId, path, maxBytes) => readLayerFile(() => open(diffId), { path, maxBytes }),
    readBlob,
    sweep: (now) => sweepUploads(bucket, now),
  };
}
