import { type AppError, isAppError } from '../../../shared/errors/app-error.ts';
import {
  layerFailedBefore,
  layerInvalid,
  uploadNotFound,
  uploadReplaced,
} from '../../../shared/layers/layer-errors.ts';
import { verifyLayer } from '../../../shared/layers/verify-layer.ts';
import { layerCodec } from '../layers/layer-codec.ts';
import type { GcsObject } from './gcs-bucket.ts';
import { layerMetadata, parseLayer } from './gcs-layer-records.ts';
import {
  BLOB_TYPE,
  findLayer,
  type LayerParts,
  layerName,
  readSession,
  removeStaged,
  type Session,
  type ShelvedLayer,
  sessionName,
  stagingName,
  writeSession,
} from './gcs-layer-shelf.ts';
import { notComplete } from './gcs-layer-uploads.ts';

/** A session and the generation of its bytes. */
interface Staged {
  readonly session: Session;
  readonly object: GcsObject;
}

/** Looks again after another verifier, or an uploader, changed what was looked at. */
const MAX_ROUNDS = 5;
const MAX_REASON_CHARACTERS = 2000;

/**
 * Verifies the bytes of an upload and publishes that very generation. Steps, each safe to repeat and to race: publish if absent, remove
 * the staged bytes, remove the session that names them. Throws as the port's `verify`.
 */
export async function verifyUpload(parts: LayerParts, diffId: string): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const found = await readSession(parts, diffId);
    if ((await findLayer(parts, diffId)) !== undefined) return tidyUp(parts, found);
    if (found.record === undefined) throw uploadNotFound(diffId);
    const staged = await stagedOf(parts, found);
    if (staged === undefined || !(await verifiedAndPublished(parts, staged))) continue;
    parts.log.info({ diffId, blobSize: staged.object.size }, 'layer verified');
    return tidyUp(parts, found);
  }
  throw uploadReplaced(diffId);
}

/** What is wrong with the stored blob of a layer, or null. */
export async function faultOf(
  { bucket, limits }: LayerParts,
  { layer, object }: ShelvedLayer,
  gone: () => Error,
): Promise<string | null> {
  try {
    const blob = bucket.stream(object, gone);
    const { blobDigest } = await verifyLayer(blob, { declaration: layer, limits }, layerCodec);
    if (blobDigest === layer.blobDigest) return null;
    return `its blob has sha256 ${blobDigest}, recorded is ${layer.blobDigest}`;
  } catch (error) {
    if (isAppError(error, 'LAYER_INVALID')) return error.message;
    throw error;
  }
}

// Undefined: another verifier published or refused meanwhile.
async function stagedOf(parts: LayerParts, session: Session): Promise<Staged | undefined> {
  const { record } = session;
  const { diffId } = record.declaration;
  if (record.refused !== null) {
    await removeStaged(parts, record);
    throw layerFailedBefore(record.refused);
  }
  const object = await parts.bucket.stat(stagingName(record));
  if (object !== undefined) return { session, object };
  const now = await readSession(parts, diffId);
  if (now.generation !== session.generation) return undefined;
  if ((await findLayer(parts, diffId)) !== undefined) return undefined;
  throw notComplete(record.declaration);
}

// False: the bytes, or the name they go to, changed meanwhile.
async function verifiedAndPublished(parts: LayerParts, staged: Staged): Promise<boolean> {
  const { declaration } = staged.session.record;
  let blobDigest: string;
  try {
    blobDigest = await digestOf(parts, staged);
  } catch (error) {
    if (isAppError(error, 'UPLOAD_CONFLICT')) return false;
    if (isAppError(error, 'LAYER_INVALID')) await refuse(parts, staged, error);
    throw error;
  }
  const name = layerName(declaration.diffId);
  const there = await parts.bucket.stat(name);
  if (there !== undefined && parseLayer(declaration.diffId, there) !== undefined) return true;
  return parts.bucket.copy(staged.object, name, {
    contentType: BLOB_TYPE,
    metadata: layerMetadata({ ...declaration, blobDigest }),
    // An object with damaged metadata stands for no layer; it is replaced, unless somebody else did.
    replaces: there?.generation ?? '0',
  });
}

async function digestOf({ bucket, limits }: LayerParts, staged: Staged): Promise<string> {
  const { declaration } = staged.session.record;
  const { size } = staged.object;
  if (size !== declaration.blobSize) {
    throw layerInvalid(`${declaration.blobSize} bytes were declared, ${size} arrived`);
  }
  const blob = bucket.stream(staged.object, () => notComplete(declaration));
  return (await verifyLayer(blob, { declaration, limits }, layerCodec)).blobDigest;
}

// The session itself becomes the memory of the refusal, so that a new upload, which replaces it, can never be taken for refused.
async function refuse(parts: LayerParts, { session, object }: Staged, error: AppError) {
  const { record, generation } = session;
  const { diffId } = record.declaration;
  const refused = error.message.slice(0, MAX_REASON_CHARACTERS);
  if (!(await writeSession(parts, { ...record, refused }, generation))) {
    const { record: current } = await readSession(parts, diffId);
    if (current?.sessionId !== record.sessionId) throw uploadReplaced(diffId);
  }
  await parts.bucket.remove(object.name, object.generation);
}

async function tidyUp(
  parts: LayerParts,
  { record, generation }: Awaited<ReturnType<typeof readSession>>,
): Promise<void> {
  if (record === undefined) return;
  await removeStaged(parts, record);
  await parts.bucket.remove(sessionName(record.declaration.diffId), generation);
}
