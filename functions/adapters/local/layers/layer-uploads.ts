import { isAppError } from '../../../../shared/errors/app-error.ts';
import {
  isSameDeclaration,
  type LayerLimits,
} from '../../../../shared/layers/layer-declaration.ts';
import {
  bytesMissing,
  layerFailedBefore,
  uploadNotFound,
  uploadReplaced,
} from '../../../../shared/layers/layer-errors.ts';
import { takeRange } from '../../../../shared/layers/upload-range.ts';
import { verifyLayer } from '../../../../shared/layers/verify-layer.ts';
import type {
  LayerDeclaration,
  LayerState,
  StoredLayer,
  UploadRange,
} from '../../../ports/layer-store.ts';
import { layerCodec } from '../../layers/layer-codec.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { LayerDisk, StagedFile } from './layer-disk.ts';
import type { LayerPaths } from './layer-paths.ts';
import type { LayerShelf } from './layer-shelf.ts';
import type { LayerStaging, UploadSession } from './layer-staging.ts';

/** What uploads work with. */
export interface UploadParts {
  readonly disk: LayerDisk;
  readonly paths: LayerPaths;
  readonly limits: LayerLimits;
  readonly shelf: LayerShelf;
  readonly staging: LayerStaging;
  readonly lock: KeyedLock;
}

/** State of a layer, on the shelf or on its way. */
export function layerState({ lock, shelf, staging }: UploadParts, diffId: string) {
  return lock(diffId, async (): Promise<LayerState> => {
    const layer = await shelf.find(diffId);
    if (layer !== undefined) return { state: 'verified', layer };
    const reason = await staging.failure(diffId);
    if (reason !== undefined) return { state: 'failed', reason };
    const session = await staging.session(diffId);
    const isComplete = session !== undefined && session.received === session.declaration.blobSize;
    return { state: isComplete ? 'complete' : 'missing' };
  });
}

/** Opens or finds a session; a verified layer gets none. */
export function beginUpload(parts: UploadParts, declaration: LayerDeclaration): Promise<void> {
  const { lock, shelf, staging } = parts;
  const { diffId } = declaration;
  return lock(diffId, async () => {
    if ((await shelf.find(diffId)) !== undefined) return;
    const session = await staging.session(diffId);
    if (session !== undefined && isSameDeclaration(session.declaration, declaration)) {
      await staging.renew(session);
    } else {
      await staging.open(declaration);
    }
  });
}

/**
 * The lock is held for each piece, not for the body: a client that comes back must not wait for its own dead
 * connection. Two bodies at once are merged: each piece adds only what goes beyond the bytes that are there.
 */
export async function receiveBytes(
  parts: UploadParts,
  { diffId, range }: { readonly diffId: string; readonly range: UploadRange },
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly received: number }> {
  const { lock, disk, paths } = parts;
  const upload = await lock(diffId, async () => {
    const session = await currentSession(parts, diffId);
    if (session === 'verified') return undefined;
    const isQuery = range.bytes === undefined;
    return { session, file: isQuery ? undefined : await disk.openStaged(paths.part(diffId)) };
  });
  if (upload === undefined) return { received: range.total };
  const { session, file } = upload;
  try {
    await takeRange(range, body, {
      blobSize: session.declaration.blobSize,
      received: () => session.received,
      take: (position, bytes) => lock(diffId, () => append({ session, file }, position, bytes)),
    });
  } finally {
    await file?.close();
  }
  return { received: session.received };
}

/** Verifies and publishes once, however many ask. */
export async function completeUpload(parts: UploadParts, diffId: string): Promise<'verified'> {
  const session = await parts.lock(diffId, async () => {
    const reason = await parts.staging.failure(diffId);
    if (reason !== undefined) throw layerFailedBefore(reason);
    const current = await currentSession(parts, diffId);
    if (current === 'verified') return undefined;
    const { blobSize } = current.declaration;
    if (current.received < blobSize) throw bytesMissing(diffId, current.received, blobSize);
    current.verification ??= verify(parts, current);
    return current;
  });
  await session?.verification;
  return 'verified';
}

/** What is wrong with the stored blob of a layer, or null. */
export async function faultOf(
  { disk, paths, limits }: UploadParts,
  layer: StoredLayer,
): Promise<string | null> {
  const blob = disk.read(paths.blob(layer.diffId));
  try {
    const { blobDigest } = await verifyLayer(blob, { declaration: layer, limits }, layerCodec);
    if (blobDigest === layer.blobDigest) return null;
    return `its blob has sha256 ${blobDigest}, recorded is ${layer.blobDigest}`;
  } catch (error) {
    if (isAppError(error, 'LAYER_INVALID')) return error.message;
    throw error;
  }
}

async function currentSession(
  { shelf, staging }: UploadParts,
  diffId: string,
): Promise<UploadSession | 'verified'> {
  if ((await shelf.find(diffId)) !== undefined) return 'verified';
  const session = await staging.session(diffId);
  if (session === undefined) throw uploadNotFound(diffId);
  return session;
}

async function append(
  upload: { readonly session: UploadSession; readonly file: StagedFile | undefined },
  position: number,
  bytes: Uint8Array,
): Promise<void> {
  const { session, file } = upload;
  if (session.state === 'ended') throw uploadReplaced(session.declaration.diffId);
  const fresh = bytes.subarray(session.received - position);
  if (fresh.length === 0) return;
  await file?.write(fresh, session.received);
  session.received += fresh.length;
}

async function verify(parts: UploadParts, session: UploadSession): Promise<void> {
  const { disk, paths, limits, lock, shelf, staging } = parts;
  const { declaration } = session;
  const { diffId } = declaration;
  const blob = disk.read(paths.part(diffId));
  try {
    const { blobDigest } = await verifyLayer(blob, { declaration, limits }, layerCodec);
    await lock(diffId, async () => {
      if (session.state !== 'open') throw uploadReplaced(diffId);
      await shelf.publish({ ...declaration, blobDigest });
      await staging.close(diffId, 'published');
    });
  } catch (error) {
    session.verification = undefined;
    await lock(diffId, async () => {
      if (session.state === 'ended') throw uploadReplaced(diffId);
      if (isAppError(error, 'LAYER_INVALID')) await staging.refuse(session, error.message);
    });
    throw error;
  }
}
