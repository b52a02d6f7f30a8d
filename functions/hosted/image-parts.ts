import { readFileSync } from 'node:fs';
import type { HostedSettings } from '../../shared/config/hosted-settings.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { createAccessToken } from '../adapters/gcp/access-token.ts';
import { createCloudBuildBuilder } from '../adapters/gcp/cloud-build-builder.ts';
import type { GcsLayerStore } from '../adapters/gcp/gcs-layer-store.ts';
import { createGcsObjects } from '../adapters/gcp/gcs-objects.ts';
import { createOciRegistry } from '../adapters/gcp/oci-registry.ts';
import type { ImageBuilder } from '../ports/image-builder.ts';
import type { Registry } from '../ports/registry.ts';
import type { Log } from '../ports/runtime.ts';
import { systemClock } from '../runtime/system.ts';

/** What makes images in the cloud: the registry, and the builder of dependency images. Throws AppError SETTINGS_INVALID. */
export function imageParts(
  settings: HostedSettings,
  { layers, log }: { readonly layers: GcsLayerStore; readonly log: Log },
): { readonly registry: Registry; readonly builder: ImageBuilder } {
  const { project: projectId, images, builds, endpoints } = settings;
  const { repository } = images;
  const registry = createOciRegistry({
    ...{ repository, layers, log, clock: systemClock, fetch },
    accessToken: images.signIn === 'google' ? createAccessToken() : null,
  });
  const objects = createGcsObjects({ projectId, endpoint: endpoints.storage });
  const builder = createCloudBuildBuilder({
    ...{ projectId, repository, registry, log, clock: systemClock },
    region: builds.region,
    endpoint: endpoints.cloudBuild,
    serviceAccount: builds.serviceAccount,
    logsBucket: builds.logsBucket,
    builderImage: builds.stepImage,
    buildkitImage: builds.buildkitImage,
    timeoutMs: builds.timeoutSeconds * 1_000,
    baseImages: images.baseImage,
    caBundlePem: images.caBundle === null ? null : readBundle(images.caBundle),
    indexUrlSecret: images.indexUrlSecret,
    readLayerFile: (diffId, path, maxBytes) => layers.readFile(diffId, path, maxBytes),
    readObject: (bucket, name, range) => objects.readRange(bucket, name, range),
    async putContext(object, bytes) {
      const bucket = builds.contextBucket;
      const contentType = 'application/gzip';
      const { generation } = await objects.put(bucket, object, { bytes, contentType });
      return { bucket, object, generation };
    },
  });
  return { registry, builder };
}

function readBundle(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AppError(
      'SETTINGS_INVALID',
      `The settings of this service: images.caBundle: ${path} cannot be read.`,
      { hint: 'Mount the file into the functions, or leave the setting out.', cause },
    );
  }
}
