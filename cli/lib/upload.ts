import { open } from 'node:fs/promises';
import pLimit from 'p-limit';
import { isAppError } from '../../shared/errors/app-error.ts';
import type { Client } from './client.ts';
import type { PackedLayer, SpooledLayer } from './parts.ts';
import { sendBytes } from './upload-session.ts';

/** How far an upload is, in bytes as sent. */
export interface UploadProgress {
  readonly layers: number;
  readonly sent: number;
  readonly total: number;
}

/** Layers sent at the same time. */
const PARALLEL_LAYERS = 4;
/** Sessions opened for one layer: a service may forget one. */
const MAX_SESSIONS = 3;

/**
 * Sends the layers that the service lacks, several at a time; each goes on where a broken connection left it. Resolves
 * with what was sent. Throws LAYER_INVALID, LIMIT_EXCEEDED, UNAVAILABLE.
 */
export async function uploadMissing(
  client: Client,
  layers: readonly PackedLayer[],
  onProgress: (progress: UploadProgress) => void,
): Promise<UploadProgress> {
  const byId = new Map(layers.map((layer) => [layer.diffId, layer]));
  const checked = byId.size === 0 ? [] : await client.checkLayers([...byId.keys()]);
  const limit = pLimit({ concurrency: PARALLEL_LAYERS, rejectOnClear: true });
  const absent = await limit.map(checked, async ({ diffId, state }) =>
    (await isHere(client, diffId, state)) ? [] : (byId.get(diffId) ?? []),
  );
  const missing = absent.flat();
  const sentByLayer = new Map<string, number>();
  let total = 0;
  const progress = (): UploadProgress => ({
    layers: missing.length,
    sent: [...sentByLayer.values()].reduce((sum, bytes) => sum + bytes, 0),
    total,
  });
  await limit.map(missing, async (layer) => {
    try {
      const spooled = await layer.spool();
      total += spooled.size;
      await uploadLayer(client, { layer, spooled }, (sent) => {
        sentByLayer.set(layer.diffId, sent);
        onProgress(progress());
      });
    } catch (error) {
      limit.clearQueue();
      throw error;
    }
  });
  return progress();
}

interface Upload {
  readonly layer: PackedLayer;
  readonly spooled: SpooledLayer;
}

async function uploadLayer(
  client: Client,
  upload: Upload,
  onSent: (bytes: number) => void,
): Promise<void> {
  const { layer, spooled } = upload;
  await using file = await open(spooled.path);
  for (let session = 1; ; session++) {
    const uploadUrl = await client.openUpload({
      diffId: layer.diffId,
      blobSize: spooled.size,
      encoding: spooled.encoding,
      uncompressedSize: layer.uncompressedSize,
    });
    try {
      await sendBytes(client.remote, { uploadUrl, file, size: spooled.size }, onSent);
      await client.completeUpload(layer.diffId);
      return;
    } catch (error) {
      if (!isSessionOver(error)) throw error;
      if (await isThere(client, layer)) return onSent(spooled.size);
      if (session >= MAX_SESSIONS) throw error;
    }
  }
}

// Gone, replaced, or its bytes are: declaring the layer again gives one that works.
function isSessionOver(error: unknown): boolean {
  return isAppError(error, 'UPLOAD_NOT_FOUND') || isAppError(error, 'UPLOAD_CONFLICT');
}

// A colleague may have sent the same layer meanwhile: its session is then over because nothing is missing.
async function isThere(client: Client, { diffId }: PackedLayer): Promise<boolean> {
  const [found] = await client.checkLayers([diffId]);
  return found !== undefined && isHere(client, diffId, found.state);
}

// Bytes that are all there may belong to an uploader that died before it said so: nobody would verify them.
async function isHere(
  client: Client,
  diffId: string,
  state: 'missing' | 'complete' | 'verified' | 'failed',
): Promise<boolean> {
  if (state !== 'complete') return state === 'verified';
  try {
    await client.completeUpload(diffId);
    return true;
  } catch (error) {
    if (isSessionOver(error) || isAppError(error, 'LAYER_INVALID')) return false;
    throw error;
  }
}
