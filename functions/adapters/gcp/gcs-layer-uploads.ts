import { randomUUID } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import { isSameDeclaration } from '../../../shared/layers/layer-declaration.ts';
import { layerFailedBefore, uploadNotFound } from '../../../shared/layers/layer-errors.ts';
import type { LayerDeclaration, LayerState } from '../../ports/layer-store.ts';
import { type SessionRecord, sessionMetadata } from './gcs-layer-records.ts';
import {
  BLOB_TYPE,
  findLayer,
  type LayerParts,
  readSession,
  removeStaged,
  stagingName,
  writeSession,
} from './gcs-layer-shelf.ts';
import { uploadStatus } from './gcs-upload-status.ts';

/** Cloud Storage ends a session after a week; who finds one again has a day left for the bytes. */
const MAX_FOUND_AGE_MS = 6 * 24 * 60 * 60 * 1000;
/** Sessions lost to others in a row. */
const MAX_RACES = 5;

/** State of a layer. A published one costs one read, one that nobody ever sent three. */
export async function layerState(parts: LayerParts, diffId: string): Promise<LayerState> {
  const published = await findLayer(parts, diffId);
  if (published !== undefined) return { state: 'verified', layer: published.layer };
  const { record } = await readSession(parts, diffId);
  if (record?.refused != null) return { state: 'failed', reason: record.refused };
  if (record !== undefined && (await isStaged(parts, record))) return { state: 'complete' };
  // Another instance may have published, and tidied up, between the first look and the second.
  const meanwhile = await findLayer(parts, diffId);
  return meanwhile === undefined
    ? { state: 'missing' }
    : { state: 'verified', layer: meanwhile.layer };
}

/**
 * Finds an open session of that declaration, or opens one in place of whatever is there. The session counts once its document is
 * written; one that lost the race for it is never used, and ends by itself. Undefined: nothing has to be sent, as the layer is published,
 * or all bytes of an upload are there. Such an upload stays whatever is declared now: a submission may have been accepted with it, and
 * wait for its verification.
 */
export async function beginUpload(
  parts: LayerParts,
  declaration: LayerDeclaration,
): Promise<string | undefined> {
  const { diffId } = declaration;
  for (let race = 0; race < MAX_RACES; race++) {
    if ((await findLayer(parts, diffId)) !== undefined) return undefined;
    const { record, generation } = await readSession(parts, diffId);
    const kept = await keptUpload(parts, record, declaration);
    if (kept === 'complete') return undefined;
    if (kept !== undefined) return kept.uploadUrl;
    const opened = await openSession(parts, declaration);
    if (!(await writeSession(parts, opened, generation))) continue;
    if (record !== undefined) await removeStaged(parts, record);
    return opened.uploadUrl;
  }
  throw new AppError('UNAVAILABLE', `Others open uploads of layer ${diffId} all the time.`, {
    hint: 'Try again in a moment.',
  });
}

/** Looks whether all bytes of the upload are there. Throws as the port's `complete`. */
export async function completeUpload(
  parts: LayerParts,
  diffId: string,
): Promise<'verified' | 'complete'> {
  if ((await findLayer(parts, diffId)) !== undefined) return 'verified';
  const { record } = await readSession(parts, diffId);
  if (record === undefined) {
    if ((await findLayer(parts, diffId)) !== undefined) return 'verified';
    throw uploadNotFound(diffId);
  }
  if (record.refused !== null) throw layerFailedBefore(record.refused);
  if (await isStaged(parts, record)) return 'complete';
  if ((await findLayer(parts, diffId)) !== undefined) return 'verified';
  throw notComplete(record.declaration);
}

/** The AppError UPLOAD_CONFLICT of an upload whose bytes are not there, or not as many as declared. */
export function notComplete({ diffId, blobSize }: LayerDeclaration): AppError {
  return new AppError(
    'UPLOAD_CONFLICT',
    `Layer ${diffId} is not complete: the ${blobSize} declared bytes are not there.`,
    { hint: 'Declare the layer again (POST /v1/layers), then send what is missing.' },
  );
}

async function isStaged({ bucket }: LayerParts, record: SessionRecord): Promise<boolean> {
  const staged = await bucket.stat(stagingName(record));
  return staged?.size === record.declaration.blobSize;
}

// Undefined: the upload is replaced.
async function keptUpload(
  parts: LayerParts,
  record: SessionRecord | undefined,
  declaration: LayerDeclaration,
): Promise<'complete' | SessionRecord | undefined> {
  if (record === undefined || record.refused !== null) return undefined;
  if (parts.clock.now() - record.openedAt > MAX_FOUND_AGE_MS) return undefined;
  if (await isStaged(parts, record)) return 'complete';
  if (!isSameDeclaration(record.declaration, declaration)) return undefined;
  const status = await uploadStatus(record.uploadUrl, record.declaration.blobSize);
  if (status === 'open') return record;
  // Finished, but the bytes are gone or are others than declared, unless they came between the two looks.
  const isComplete = status === 'finished' && (await isStaged(parts, record));
  return isComplete ? 'complete' : undefined;
}

async function openSession(
  { bucket, clock }: LayerParts,
  declaration: LayerDeclaration,
): Promise<SessionRecord> {
  const openedAt = clock.now();
  const session = { declaration, sessionId: randomUUID(), uploadUrl: '', openedAt, refused: null };
  const uploadUrl = await bucket.openSession(stagingName(session), {
    contentType: BLOB_TYPE,
    metadata: sessionMetadata(session),
    size: declaration.blobSize,
  });
  return { ...session, uploadUrl };
}
