import type { LayerLimits } from '../../../shared/layers/layer-declaration.ts';
import type { StoredLayer } from '../../ports/layer-store.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import type { GcsBucket, GcsObject } from './gcs-bucket.ts';
import {
  parseLayer,
  parseSession,
  printSession,
  type SessionRecord,
  sessionMetadata,
} from './gcs-layer-records.ts';
import { LAYER_PREFIX } from './gcs-lifecycle.ts';

/** What layers in a bucket are worked with. */
export interface LayerParts {
  readonly bucket: GcsBucket;
  readonly limits: LayerLimits;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Log, 'info'>;
}

/** A published layer and the generation that holds it. */
export interface ShelvedLayer {
  readonly layer: StoredLayer;
  readonly object: GcsObject;
}

/** A session and the generation of its document. */
export interface Session {
  readonly record: SessionRecord;
  readonly generation: string;
}

/** Type of every object that holds a blob. */
export const BLOB_TYPE = 'application/octet-stream';
const SESSION_TYPE = 'application/json';

/** Name of a published layer. */
export function layerName(diffId: string): string {
  return `${LAYER_PREFIX.layers}${diffId}`;
}

/** Name of the bytes of one upload. */
export function stagingName({ declaration, sessionId }: SessionRecord): string {
  return `${LAYER_PREFIX.staging}${declaration.diffId}/${sessionId}`;
}

/** Name of the document that says which upload of a layer counts. */
export function sessionName(diffId: string): string {
  return `${LAYER_PREFIX.sessions}${diffId}.json`;
}

/** The published layer. One whose metadata are damaged counts as absent. */
export async function findLayer(
  { bucket }: Pick<LayerParts, 'bucket'>,
  diffId: string,
): Promise<ShelvedLayer | undefined> {
  const object = await bucket.stat(layerName(diffId));
  const layer = object && parseLayer(diffId, object);
  return layer && object && { layer, object };
}

/** The session document: `generation` is `0` when there is none; `record` is undefined for a damaged one, too. */
export async function readSession(
  { bucket }: Pick<LayerParts, 'bucket'>,
  diffId: string,
): Promise<Session | { readonly record: undefined; readonly generation: string }> {
  const found = await bucket.read(sessionName(diffId));
  if (found === undefined) return { record: undefined, generation: '0' };
  return { record: parseSession(found.bytes), generation: found.generation };
}

/** Writes the document in place of that generation. False: another one is there. */
export async function writeSession(
  { bucket }: Pick<LayerParts, 'bucket'>,
  record: SessionRecord,
  replaces: string,
): Promise<boolean> {
  const metadata = sessionMetadata(record);
  const write = { contentType: SESSION_TYPE, metadata, replaces };
  const name = sessionName(record.declaration.diffId);
  return (await bucket.write(name, printSession(record), write)) !== undefined;
}

/** Removes the bytes of an upload, if there are any. */
export async function removeStaged(
  { bucket }: Pick<LayerParts, 'bucket'>,
  record: SessionRecord,
): Promise<void> {
  const name = stagingName(record);
  const staged = await bucket.stat(name);
  if (staged !== undefined) await bucket.remove(name, staged.generation);
}
