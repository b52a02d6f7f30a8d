import { AppError, isAppError } from '../../../shared/errors/app-error.ts';
import { layerMissing } from '../../../shared/layers/layer-errors.ts';
import type { LayerStore } from '../../ports/layer-store.ts';
import type { RunImage } from '../../ports/registry.ts';
import { appDirectoryLayer } from '../images/app-directory.ts';
import { type PlannedImage, planRunImage } from '../images/run-image.ts';
import type { StoredBlob } from './registry-blobs.ts';
import { digestOf } from './registry-bytes.ts';
import type { FoundImage, RegistryImages } from './registry-images.ts';
import { imageManifest, OCI, ociLayer, parseImageConfig } from './registry-manifest.ts';
import { copied, type WantedManifest } from './registry-store.ts';

/** Where code layers are. */
export type CodeLayers = Pick<LayerStore, 'check' | 'open'>;

/**
 * The run image on a base. Code layers are stored as plain tars: then their digests are their keys, and do not depend on how somebody
 * compresses. Throws AppError BUILD_FAILED, LAYER_MISSING, UNAVAILABLE.
 */
export async function runImageOn(
  { images, layers }: { readonly images: RegistryImages; readonly layers: CodeLayers },
  base: FoundImage,
  image: RunImage,
): Promise<WantedManifest> {
  const config = await images.blob(base.at, base.config);
  const plan = planned(base, config, image);
  const below = base.layers.map(ociLayer);
  if (below.length + addedTo(plan) !== plan.diffIds.length) throw notLayered(image.base);
  const code = await codeBlobs(layers, plan);
  const top = code.length === 0 ? [] : [...code, appDirectoryBlob()];
  const text = Buffer.from(plan.config);
  const settings: StoredBlob = {
    digest: plan.id,
    size: text.length,
    mountFrom: null,
    open: async () => piecesOf(text),
  };
  const bytes = Buffer.from(
    imageManifest({ ...settings, mediaType: OCI.config }, [
      ...below.map((layer) => layer ?? refuseLayer(image.base)),
      ...top.map((blob) => ({ ...blob, mediaType: OCI.tar })),
    ]),
  );
  return {
    digest: digestOf(bytes),
    mediaType: OCI.manifest,
    bytes,
    blobs: [...base.layers.map((layer) => copied(images, base, layer)), ...top, settings],
  };
}

function planned(base: FoundImage, config: Uint8Array, image: RunImage): PlannedImage {
  try {
    return planRunImage(parseImageConfig(config, base.digest), image);
  } catch (error) {
    if (isAppError(error)) throw error;
    throw notLayered(image.base, error);
  }
}

function addedTo({ layers }: PlannedImage): number {
  return layers.length === 0 ? 0 : layers.length + 1;
}

function refuseLayer(base: string): never {
  throw notLayered(base);
}

function notLayered(base: string, cause?: unknown): AppError {
  return new AppError('BUILD_FAILED', `No code can be laid on ${base}: it is no image of layers.`, {
    hint: 'Name another base image.',
    ...(cause === undefined ? {} : { cause }),
  });
}

async function codeBlobs(layers: CodeLayers, plan: PlannedImage): Promise<readonly StoredBlob[]> {
  const states = plan.layers.length === 0 ? [] : await layers.check(plan.layers);
  return plan.layers.map((diffId, i) => {
    const found = states[i];
    if (found?.state !== 'verified') throw layerMissing(diffId);
    return {
      digest: `sha256:${diffId}`,
      size: found.layer.uncompressedSize,
      mountFrom: null,
      open: () => layers.open(diffId),
    };
  });
}

function appDirectoryBlob(): StoredBlob {
  const { diffId, size, open } = appDirectoryLayer();
  return { digest: `sha256:${diffId}`, size, mountFrom: null, open };
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
