import type { ObjectSettings, StoredObject } from './stored-objects.ts';

/** The object resource of the JSON API. */
export function objectView(object: StoredObject, base: string) {
  const { bucket, name, generation, metageneration } = object;
  const self = `${base}/b/${bucket}/o/${encodeURIComponent(name)}`;
  return {
    kind: 'storage#object',
    id: `${bucket}/${name}/${generation}`,
    selfLink: `${base}/storage/v1${self.slice(base.length)}`,
    mediaLink: `${base}/download/storage/v1${self.slice(base.length)}?generation=${generation}&alt=media`,
    name,
    bucket,
    generation: String(generation),
    metageneration: String(metageneration),
    storageClass: 'STANDARD',
    size: String(object.bytes.length),
    md5Hash: object.md5Hash,
    crc32c: object.crc32c,
    etag: etagOf(object),
    timeCreated: new Date(object.timeCreated).toISOString(),
    updated: new Date(object.updated).toISOString(),
    ...object.settings,
  };
}

/** The bucket resource. */
export function bucketView(name: string, base: string) {
  return {
    kind: 'storage#bucket',
    id: name,
    name,
    selfLink: `${base}/storage/v1/b/${name}`,
    location: 'US',
    storageClass: 'STANDARD',
    metageneration: '1',
  };
}

/** An entity tag that changes with every generation and metageneration. */
export function etagOf({ generation, metageneration }: StoredObject): string {
  return Buffer.from(`${generation}/${metageneration}`).toString('base64');
}

/** The settable parts of a resource that a client sent. */
export function settingsOf(resource: Readonly<Record<string, unknown>>): ObjectSettings {
  const text = (name: string) => {
    const value = resource[name];
    return typeof value === 'string' ? { [name]: value } : {};
  };
  const { metadata } = resource;
  return {
    ...text('contentType'),
    ...text('contentEncoding'),
    ...text('cacheControl'),
    ...(isRecord(metadata) ? { metadata: textsOf(metadata) } : {}),
  };
}

/** What is left of settings after a patch: null takes a value away, custom metadata are merged. */
export function patched(
  before: ObjectSettings,
  patch: Readonly<Record<string, unknown>>,
): ObjectSettings {
  const { metadata, ...rest } = patch;
  const merged: Record<string, unknown> = { ...before, ...rest };
  if (isRecord(metadata)) merged['metadata'] = { ...before.metadata, ...metadata };
  if (metadata === null) merged['metadata'] = undefined;
  return settingsOf(merged);
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textsOf(record: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).flatMap(([key, value]) =>
      value === null || value === undefined ? [] : [[key, String(value)]],
    ),
  );
}
