import * as z from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { LayerDeclaration, StoredLayer } from '../../ports/layer-store.ts';
import type { GcsObject } from './gcs-bucket.ts';

/** Version of session documents and of the metadata of layers. */
const SCHEMA_VERSION = 1;

const DIGEST = z.string().regex(/^[0-9a-f]{64}$/);
const SIZE = z.int().positive();
const ENCODING = z.enum(['gzip', 'zstd', 'identity']);

const SESSION = z.object({
  declaration: z.object({
    diffId: DIGEST,
    blobSize: SIZE,
    encoding: ENCODING,
    uncompressedSize: SIZE,
  }),
  sessionId: z.string().regex(/^[0-9a-f-]{36}$/),
  /** Of the resumable session: whoever knows it may send the bytes. */
  uploadUrl: z.url(),
  /** UTC milliseconds. */
  openedAt: z.number(),
  /** Why verification refused the bytes; null: it has not. */
  refused: z.string().nullable(),
});
const LAYER = z.object({
  'caliban-encoding': ENCODING,
  'caliban-uncompressed-size': z.coerce.number().pipe(SIZE),
  'caliban-blob-digest': DIGEST,
});
const VERSIONED = z.object({ schemaVersion: z.int() });

/** The upload of a layer: open, or refused. */
export type SessionRecord = Readonly<z.infer<typeof SESSION>>;

/** A session as the bytes of its document. */
export function printSession(session: SessionRecord): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...session }));
}

/** The session in a document; undefined for a damaged one: it is then replaced. Throws AppError SCHEMA_TOO_NEW. */
export function parseSession(bytes: Uint8Array): SessionRecord | undefined {
  const value = jsonOf(Buffer.from(bytes).toString());
  requireKnown(VERSIONED.safeParse(value).data?.schemaVersion);
  return SESSION.safeParse(value).data;
}

/** Metadata of the bytes of an upload, and of its document, for who looks at the bucket. */
export function sessionMetadata({ declaration, openedAt }: SessionRecord): Record<string, string> {
  return { ...declared(declaration), 'caliban-opened-at': String(openedAt) };
}

/** When the upload that an object belongs to was opened: UTC milliseconds. */
export function openedAtOf({ metadata, createdAt }: GcsObject): number {
  return Number(metadata['caliban-opened-at'] ?? createdAt);
}

/** Metadata of a published layer. */
export function layerMetadata(layer: StoredLayer): Record<string, string> {
  return { ...declared(layer), 'caliban-blob-digest': layer.blobDigest };
}

/** The layer that an object says to be; undefined when its metadata are damaged. Throws AppError SCHEMA_TOO_NEW. */
export function parseLayer(diffId: string, object: GcsObject): StoredLayer | undefined {
  const version = object.metadata['caliban-schema-version'];
  requireKnown(version === undefined ? undefined : Number(version));
  const found = LAYER.safeParse(object.metadata).data;
  return (
    found && {
      diffId,
      blobSize: object.size,
      encoding: found['caliban-encoding'],
      uncompressedSize: found['caliban-uncompressed-size'],
      blobDigest: found['caliban-blob-digest'],
    }
  );
}

function declared({ encoding, blobSize, uncompressedSize }: LayerDeclaration) {
  return {
    'caliban-schema-version': String(SCHEMA_VERSION),
    'caliban-encoding': encoding,
    'caliban-blob-size': String(blobSize),
    'caliban-uncompressed-size': String(uncompressedSize),
  };
}

function requireKnown(version: number | undefined): void {
  if (version === undefined || version <= SCHEMA_VERSION) return;
  throw new AppError(
    'SCHEMA_TOO_NEW',
    `A layer of this bucket was written in version ${version}; this service reads up to ${SCHEMA_VERSION}.`,
    { hint: 'Update the service.' },
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
