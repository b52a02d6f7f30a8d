import type { FileHandle } from 'node:fs/promises';
import { AppError, type AppErrorDetails, isAppError } from '../../shared/errors/app-error.ts';
import { delayMs, failureOf, headersOf, type Remote, unreachable } from './request.ts';

/** A blob and the session that takes it. */
export interface Source {
  readonly uploadUrl: string;
  readonly file: FileHandle;
  readonly size: number;
}

/** What Cloud Storage keeps of an unfinished upload is a multiple of this (performing-resumable-uploads, read 2026-11). */
const KEPT_MULTIPLE = 256 * 1024;
/** Bytes of one PUT, at most: what a broken connection may cost. */
export const CHUNK_BYTES = 32 * KEPT_MULTIPLE;
/** Answers of a session that ended: unknown, expired, cancelled (499), or its object is there already (412). */
const GONE: readonly number[] = [404, 410, 412, 499];
const CHUNK_TIMEOUT_MS = 5 * 60_000;
/** Failures in a row without a byte of progress before giving up. */
const MAX_STALLS = 6;

/** How far a session is. All bytes may be there before it is finished: an empty PUT then ends it. */
interface Position {
  readonly received: number;
  readonly isFinished: boolean;
}

/**
 * Sends a blob into a session of Cloud Storage's resumable protocol, which this service's own uploads speak, too: asks how much is there,
 * sends the rest in chunks, and after a break asks again. `onSent` gets the number of bytes that are there. Throws
 * UPLOAD_NOT_FOUND for a session that ended, UPLOAD_CONFLICT, UNAVAILABLE.
 */
export async function sendBytes(
  remote: Remote,
  source: Source,
  onSent: (bytes: number) => void,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, source.size));
  // Null: unknown, as after a break. A session may also be an earlier one of the same layer: what is there is not sent again.
  let position: Position | null = null;
  let furthest = 0;
  let stalls = 0;
  while (position?.isFinished !== true) {
    try {
      const offset: number = position?.received ?? source.size;
      position = await (offset >= source.size
        ? askPosition(remote, source)
        : sendChunk(remote, source, { offset, buffer }));
      const { received, isFinished } = position;
      if (!isFinished && received <= furthest && stalls++ >= MAX_STALLS) throw noProgress(remote);
      if (received > furthest) stalls = 0;
      furthest = Math.max(furthest, received);
      onSent(received);
    } catch (error) {
      await waitOutBreak(remote, error, stalls++);
      position = null;
    }
  }
}

async function waitOutBreak(remote: Remote, error: unknown, stalls: number): Promise<void> {
  if (!isPassing(error) || stalls >= MAX_STALLS) throw error;
  await remote.clock.sleep(delayMs(error, stalls + 1, remote.clock), remote.signal);
}

/** Asks how far the session is; ends it when all bytes are there. */
function askPosition(remote: Remote, { uploadUrl, size }: Source): Promise<Position> {
  return put(remote, { uploadUrl, range: `bytes */${size}`, size, body: null });
}

async function sendChunk(
  remote: Remote,
  { uploadUrl, file, size }: Source,
  { offset, buffer }: { offset: number; buffer: Buffer<ArrayBuffer> },
): Promise<Position> {
  // From wherever the service is, up to a multiple: Cloud Storage keeps no more of a chunk that is not the last.
  const end = Math.min(size, offset + CHUNK_BYTES - (offset % KEPT_MULTIPLE));
  const length = end - offset;
  await readWhole(file, buffer.subarray(0, length), offset);
  const range = `bytes ${offset}-${end - 1}/${size}`;
  return put(remote, { uploadUrl, range, size, body: buffer.subarray(0, length) });
}

async function readWhole(file: FileHandle, into: Buffer, offset: number): Promise<void> {
  for (let read = 0; read < into.length; ) {
    const { bytesRead } = await file.read(into, read, into.length - read, offset + read);
    read += bytesRead;
    if (bytesRead > 0) continue;
    throw new AppError('PACK_REFUSED', 'A packed layer became shorter while it was sent.', {
      hint: 'Run the command again.',
    });
  }
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

/** One PUT. */
async function put(remote: Remote, { uploadUrl, range, size, body }: Put): Promise<Position> {
  const base = new URL(`${remote.url}/`);
  const url = new URL(uploadUrl.startsWith('/') ? `${remote.url}${uploadUrl}` : uploadUrl);
  const isOwn = url.origin === base.origin;
  // A hosted service names a storage bucket's own session: its URL is the permission, the token stays here.
  const headers = isOwn ? headersOf(remote) : {};
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
    throw isOwn ? unreachable(url.origin, error) : bucketFailure(url, { cause: error });
  }
  if (response.status === 308) {
    await response.body?.cancel();
    const last = /^bytes=0-(\d+)$/.exec(response.headers.get('Range') ?? '')?.[1];
    return { received: last === undefined ? 0 : Number(last) + 1, isFinished: false };
  }
  if (response.ok) {
    await response.body?.cancel();
    return { received: size, isFinished: true };
  }
  throw await refusal(response, url, isOwn);
}

async function refusal(response: Response, url: URL, isOwn: boolean): Promise<AppError> {
  const failure = await failureOf(response, { url: url.origin });
  if (GONE.includes(response.status)) {
    return new AppError('UPLOAD_NOT_FOUND', 'The upload session is gone.', { cause: failure });
  }
  if (isOwn || failure.code !== 'UNAVAILABLE') return failure;
  return bucketFailure(url, { cause: failure, context: { ...failure.context } });
}

/** Storage that does not take the bytes for now. Its address stays out of the message: it is a permission. */
function bucketFailure(url: URL, details: Pick<AppErrorDetails, 'cause' | 'context'>): AppError {
  return new AppError('UNAVAILABLE', `The storage at ${url.origin} takes no bytes for now.`, {
    hint: 'Can this machine reach it? Run the command again: what arrived is kept.',
    ...details,
  });
}
