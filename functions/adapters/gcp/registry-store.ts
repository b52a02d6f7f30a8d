import pLimit from 'p-limit';
import type { Log } from '../../ports/runtime.ts';
import { registryUrl } from './registry-address.ts';
import { type BlobDeps, type StoredBlob, storeBlob } from './registry-blobs.ts';
import type { FoundImage, RegistryImages } from './registry-images.ts';
import type { Descriptor } from './registry-manifest.ts';
import { writeRefused } from './registry-refusals.ts';
import { isTransient } from './registry-retries.ts';

/** A manifest to store, and all it names. */
export interface WantedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly blobs: readonly StoredBlob[];
}

const CONCURRENCY = 4;

/**
 * Stores a manifest unless it is there, what it names first. Its tag is from its digest, so that no clean-up of what has none takes it.
 * Throws AppError UNAVAILABLE, BUILD_FAILED, what its blobs throw.
 */
export async function storeManifest(
  parts: BlobDeps & { readonly log: Log },
  wanted: WantedManifest,
): Promise<void> {
  const { requests, target, repository, log, clock } = parts;
  const { digest, mediaType, bytes } = wanted;
  const purpose = { ...target, writes: true };
  const url = registryUrl(target.host, `${target.name}/manifests/${tagOf(digest)}`);
  const headers = { accept: mediaType };
  const known = await requests.ask({ method: 'HEAD', url, purpose, headers });
  if (known.ok && known.headers.get('docker-content-digest') === digest) return;
  if (isTransient(known.status)) throw await writeRefused(repository, known);
  const from = clock.now();
  await storeBlobs(parts, wanted.blobs);
  const type = { 'content-type': mediaType };
  const put = await requests.ask({ method: 'PUT', url, purpose, headers: type, body: bytes });
  if (!put.ok) throw await writeRefused(repository, put);
  const ms = clock.now() - from;
  log.info({ image: digest, blobs: wanted.blobs.length, ms }, 'image stored');
}

// The first that fails ends it, once what is under way has ended: nothing goes on behind the caller's back.
async function storeBlobs(parts: BlobDeps, blobs: readonly StoredBlob[]): Promise<void> {
  const limit = pLimit(CONCURRENCY);
  const failures: unknown[] = [];
  const storing = new Map(blobs.map((blob) => [blob.digest, blob])).values().map((blob) =>
    limit(async () => {
      if (failures.length > 0) return;
      await storeBlob(parts, blob).catch((error: unknown) => void failures.push(error));
    }),
  );
  await Promise.all(storing);
  if (failures.length > 0) throw failures[0];
}

function tagOf(digest: string): string {
  return digest.replace('sha256:', '').slice(0, 40);
}

/** An image as it is. */
export function copyOf(images: RegistryImages, image: FoundImage): WantedManifest {
  const { digest, mediaType, bytes, config, layers } = image;
  const blobs = [config, ...layers].map((blob) => copied(images, image, blob));
  return { digest, mediaType, bytes, blobs };
}

/** A blob of an image, from where that is. */
export function copied(images: RegistryImages, { at }: FoundImage, blob: Descriptor): StoredBlob {
  const { digest, size } = blob;
  return { digest, size, mountFrom: at, open: () => images.open(at, digest) };
}
