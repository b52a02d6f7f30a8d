import {
  checkDeclaration,
  checkDiffId,
  checkDiffIds,
  type LayerLimits,
} from '../../../shared/layers/layer-declaration.ts';
import { layerMissing } from '../../../shared/layers/layer-errors.ts';
import { readLayerFile } from '../../../shared/layers/read-layer-file.ts';
import type { LayerStore, UploadSink } from '../../ports/layer-store.ts';
import { createMemoryUploads, only, type VerifiedLayer } from './memory-uploads.ts';

/** Layers in memory, and what a simulation adds. */
export interface MemoryLayerStore extends LayerStore, UploadSink {
  /** Makes a layer verified without bytes: it reads as an empty tar. Throws AppError REQUEST_INVALID. */
  addVerified(diffId: string): void;
}

const EMPTY_TAR = new Uint8Array(1024);

/** Layers that live as long as the process: for tests and the simulator. */
export function createMemoryLayerStore(options: {
  readonly limits: LayerLimits;
}): MemoryLayerStore {
  const { limits } = options;
  const verified = new Map<string, VerifiedLayer>();
  const uploads = createMemoryUploads(limits, verified);

  function tarOf(diffId: string): AsyncIterable<Uint8Array> {
    const found = verified.get(checkDiffId(diffId));
    if (found === undefined) throw layerMissing(diffId);
    return only(found.tar);
  }

  async function complete(diffId: string): Promise<'verified'> {
    return verified.has(checkDiffId(diffId)) ? 'verified' : uploads.complete(diffId);
  }

  return {
    async check(diffIds) {
      checkDiffIds(diffIds);
      return diffIds.map((diffId) => {
        const layer = verified.get(diffId)?.layer;
        return layer === undefined ? uploads.state(diffId) : { state: 'verified', layer };
      });
    },
    async begin(declaration) {
      checkDeclaration(declaration, limits);
      if (!verified.has(declaration.diffId)) uploads.begin(declaration);
      return { uploadUrl: null };
    },
    async receive(diffId, range, body) {
      if (verified.has(checkDiffId(diffId))) return { received: range.total };
      return uploads.receive(diffId, range, body);
    },
    complete,
    async verify(diffId) {
      await complete(diffId);
    },
    open: async (diffId) => tarOf(diffId),
    async reverify(diffId) {
      // What is in memory does not rot.
      tarOf(diffId);
      return null;
    },
    readFile: (diffId, path, maxBytes) =>
      readLayerFile(async () => tarOf(diffId), { path, maxBytes }),
    addVerified(diffId) {
      const sizes = { blobSize: EMPTY_TAR.length, uncompressedSize: EMPTY_TAR.length };
      const layer = { diffId, encoding: 'identity', ...sizes, blobDigest: diffId } as const;
      verified.set(checkDiffId(diffId), { layer, tar: EMPTY_TAR });
    },
  };
}
