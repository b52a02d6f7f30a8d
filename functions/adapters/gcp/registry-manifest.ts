import * as z from 'zod';
import { type ImageFacts, imageSettingsSchema, NO_TIME } from '../images/image-facts.ts';

/** A content of a registry: what kind it is of, and which bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** What a manifest says: of one image, or where those of several platforms are. */
export type Manifest =
  | { readonly kind: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly kind: 'index'; readonly images: readonly PlatformImage[] }
  | { readonly kind: 'other' };

/** An image of an index. */
export interface PlatformImage extends Descriptor {
  readonly os: string;
  readonly architecture: string;
}

/** Media types of the OCI image specification 1.1. */
export const OCI = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  tar: 'application/vnd.oci.image.layer.v1.tar',
} as const;

const DOCKER = 'application/vnd.docker';
const DOCKER_MANIFEST = `${DOCKER}.distribution.manifest.v2+json`;
const DOCKER_LIST = `${DOCKER}.distribution.manifest.list.v2+json`;
const DOCKER_TAR = `${DOCKER}.image.rootfs.diff.tar`;

/** All kinds of manifest that are read, for `Accept`. */
export const MANIFEST_TYPES = [OCI.index, DOCKER_LIST, OCI.manifest, DOCKER_MANIFEST].join(', ');

/** Reads a manifest. `mediaType`: as the registry said. Throws for what is no JSON of its kind. */
export function parseManifest(bytes: Uint8Array, mediaType: string): Manifest {
  const value = anySchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  const type = value.mediaType ?? mediaType.split(';')[0]?.trim();
  if (type === OCI.index || type === DOCKER_LIST) {
    const images = indexSchema.parse(value).manifests;
    return { kind: 'index', images: images.map(platformImage) };
  }
  if (type !== OCI.manifest && type !== DOCKER_MANIFEST) return { kind: 'other' };
  return { kind: 'image', ...imageSchema.parse(value) };
}

/** The media type to send a manifest under again. */
export function manifestType(bytes: Uint8Array, mediaType: string): string {
  const value = anySchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  return value.mediaType ?? mediaType;
}

/** What a base's configuration says of it. `id`: the digest of its manifest. Throws for what is none. */
export function parseImageConfig(bytes: Uint8Array, id: string): ImageFacts {
  const found = configSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  return {
    id,
    tags: [],
    created: found.created ?? NO_TIME,
    os: found.os,
    architecture: found.architecture,
    variant: found.variant ?? null,
    layers: found.rootfs.type === 'layers' ? found.rootfs.diff_ids : null,
    settings: imageSettingsSchema.parse(found.config ?? {}),
  };
}

/** The manifest of an image, byte for byte: the same image makes the same bytes. */
export function imageManifest(config: Descriptor, layers: readonly Descriptor[]): string {
  const inOrder = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size });
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI.manifest,
    config: inOrder(config),
    layers: layers.map(inOrder),
  });
}

/** A layer of any image as one of an OCI image; null: one that no registry hands on (Windows has those). */
export function ociLayer(layer: Descriptor): Descriptor | null {
  const { mediaType } = layer;
  if (mediaType.startsWith(OCI.tar)) return layer;
  if (mediaType === DOCKER_TAR) return { ...layer, mediaType: OCI.tar };
  const [, compression] = /^(?:.*\.diff\.tar)[.+](gzip|zstd)$/.exec(mediaType) ?? [];
  if (compression === undefined || !mediaType.startsWith(DOCKER_TAR)) return null;
  return { ...layer, mediaType: `${OCI.tar}+${compression}` };
}

function platformImage({ platform, ...image }: z.infer<typeof listedSchema>): PlatformImage {
  return { ...image, os: platform?.os ?? '', architecture: platform?.architecture ?? '' };
}

const MAX_LAYERS = 500;
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const descriptorSchema = z.object({
  mediaType: z.string(),
  digest,
  size: z.int().nonnegative(),
});
const anySchema = z.looseObject({ mediaType: z.string().optional() });
const listedSchema = z.object({
  ...descriptorSchema.shape,
  platform: z.object({ os: z.string(), architecture: z.string() }).optional(),
});
const indexSchema = z.object({ manifests: z.array(listedSchema) });
const imageSchema = z.object({
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(MAX_LAYERS),
});
const configSchema = z.object({
  created: z.string().optional(),
  os: z.string(),
  architecture: z.string(),
  variant: z.string().optional(),
  rootfs: z.object({ type: z.string(), diff_ids: z.array(digest) }),
  config: z.looseObject({}).nullish(),
});
