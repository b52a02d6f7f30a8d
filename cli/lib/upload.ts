import { type FileHandle, open } from 'node:fs/promises';
import pLimit from 'p-limit';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import type { Client } from './client.ts';
import type { PackedLayer, SpooledLayer } from './parts.ts';
import { delayMs, failureOf, headersOf, type Remote, unreachable } from './request.ts';

/** How far an upload is, in bytes as sent. */
export interface UploadProgress {
  readonly layers: number;
  readonly sent: number;
  readonly total: number;
}

/** Layers sent at the same time. */
const PARALLEL_LAYERS = 4;
/** Bytes of one PUT: a multiple of 256 KiB, which Cloud Storage demands; also what a broken connection may cost. */
export const CHUNK_BYTES = 8 * 1024 * 1024;
const CHUNK_TIMEOUT_MS = 5 * 60_000;
/** Failures in a row without a byte of progress before giving up. */
const MAX_STALLS = 6;
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
  const missing = checked
    .filter(({ state }) => state === 'missing' || state === 'failed')
    .flatMap(({ diffId }) => byId.get(diffId) ?? []);
  const sentByLayer = new Map<string, number>();
  let total = 0;
  const progress = (): UploadProgress => ({
    layers: missing.length,
    sent: [...sentByLayer.values()].reduce((sum, bytes) => sum + bytes, 0),
    total,
  });
  const limit = pLimit({ concurrency: PARALLEL_LAYERS, rejectOnClear: true });
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
  { layer, spooled }: Upload,
  onSent: (bytes: number) => void,
): Promise<void> {
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
      if (session >= MAX_SESSIONS || !isAppError(error, 'UPLOAD_NOT_FOUND')) throw error;
    }
  }
}

interface Source {
  readonly uploadUrl: string;
  readonly file: FileHandle;
  readonly size: number;
}

async function sendBytes(
  remote: Remote,
  source: Source,
  onSent: (bytes: number) => void,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, source.size));
  // Null: unknown, as after a break. A session may also be an earlier one of the same layer: what is there is not sent again.
  let offset: number | null = null;
  let furthest = 0;
  let stalls = 0;
  while (offset !== source.size) {
    try {
      offset = await (offset === null
        ? askOffset(remote, source)
        : sendChunk(remote, source, { offset, buffer }));
      if (offset <= furthest && stalls++ >= MAX_STALLS) throw noProgress(remote);
      if (offset > furthest) stalls = 0;
      furthest = Math.max(furthest, offset);
      onSent(offset);
    } catch (error) {
      await waitOutBreak(remote, error, stalls++);
      offset = null;
    }
  }
}

async function waitOutBreak(remote: Remote, error: unknown, stalls: number): Promise<void> {
  if (!isPassing(error) || stalls >= MAX_STALLS) throw error;
  await remote.clock.sleep(delayMs(error, stalls + 1, remote.clock), remote.signal);
}

function askOffset(remote: Remote, { uploadUrl, size }: Source): Promise<number> {
  return put(remote, { uploadUrl, range: `bytes */${size}`, size, body: null });
}

async function sendChunk(
  remote: Remote,
  { uploadUrl, file, size }: Source,
  { offset, buffer }: { offset: number; buffer: Buffer<ArrayBuffer> },
): Promise<number> {
  const length = Math.min(CHUNK_BYTES, size - offset);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  if (bytesRead === 0) {
    throw new AppError('PACK_REFUSED', 'A packed layer became shorter while it was sent.', {
      hint: 'Run the command again.',
    });
  }
  const range = `bytes ${offset}-${offset + bytesRead - 1}/${size}`;
  return put(remote, { uploadUrl, range, size, body: buffer.subarray(0, bytesRead) });
}

function noProgress({ url }: Remote): AppError {
  return new AppError('UNAVAILABLE', `${url} takes no more bytes of a layer.`, {
    hint: 'Run the command again: what arrived is kept.',
  });
}

function isPassing(error: unknown): boolean {
  return (
    isAppError(error) &&
    ['UNAVAILABLE', 'STORE_BUSY', 'HOST_BUSY', 'DEADLINE_EXCEEDED', 'UPLOAD_CONFLICT'].includes(
      error.code,
    )
  );
}

interface Put {
  readonly uploadUrl: string;
  readonly range: string;
  readonly size: number;
  readonly body: Uint8Array<ArrayBuffer> | null;
}

/** One PUT; resolves with the number of bytes that the service has by now. */
async function put(remote: Remote, { uploadUrl, range, size, body }: Put): Promise<number> {
  const base = new URL(`${remote.url}/`);
  const url = new URL(uploadUrl.startsWith('/') ? `${remote.url}${uploadUrl}` : uploadUrl);
  // A hosted service names a storage bucket's own session: its URL is the permission, the token stays here.
  const headers = url.origin === base.origin ? headersOf(remote) : {};
  let response: Response;
  try {
    response = await remote.fetch(
      new Request(url, {
        method: 'PUT',
        headers: {
          ...headers,
          'Content-Range': range,
          'Content-Type': 'application/octet-stream',
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.any([remote.signal, AbortSignal.timeout(CHUNK_TIMEOUT_MS)]),
      }),
    );
  } catch (error) {
    remote.signal.throwIfAborted();
    throw unreachable(url.origin, error);
  }
  if (response.status === 308) {
    await response.body?.cancel();
    const last = /^bytes=0-(\d+)$/.exec(response.headers.get('Range') ?? '')?.[1];
    return last === undefined ? 0 : Number(last) + 1;
  }
  if (response.ok) {
    await response.body?.cancel();
    return size;
  }
  const failure = await failureOf(response, { url: url.origin });
  if (response.status !== 404 && response.status !== 410) throw failure;
  throw new AppError('UPLOAD_NOT_FOUND', 'The upload session is gone.', { cause: failure });
}
