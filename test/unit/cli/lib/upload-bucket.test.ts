import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { type Client, createClient } from '../../../../cli/lib/client.ts';
import type { PackedLayer } from '../../../../cli/lib/parts.ts';
import { uploadMissing } from '../../../../cli/lib/upload.ts';
import { CHUNK_BYTES } from '../../../../cli/lib/upload-session.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { startCloudStorage } from '../../../doubles/cloud-storage/cloud-storage.ts';
import {
  type FaultHook,
  isChunk,
  onNth,
  type SeenRequest,
} from '../../../doubles/cloud-storage/faults.ts';

const BUCKET = 'bucket-1';
const QUANTUM = 256 * 1024;

describe('an upload to a bucket', () => {
  test('sends chunks of a multiple of 256 KiB, the last one shorter', async (t) => {
    const { send, ranges, stored } = await setUp(t);
    const bytes = randomBytes(2 * CHUNK_BYTES + 77);
    await send(bytes);
    t.expect(stored()).toBe(digestOf(bytes));
    t.expect(ranges()).toEqual([
      `*/${bytes.length}`,
      `0-${CHUNK_BYTES - 1}/${bytes.length}`,
      `${CHUNK_BYTES}-${2 * CHUNK_BYTES - 1}/${bytes.length}`,
      `${2 * CHUNK_BYTES}-${bytes.length - 1}/${bytes.length}`,
    ]);
  });

  test.for([1, QUANTUM, CHUNK_BYTES])('%i bytes are one chunk', async (size, t) => {
    const { send, ranges, stored } = await setUp(t);
    const bytes = randomBytes(size);
    await send(bytes);
    t.expect(stored()).toBe(digestOf(bytes));
    t.expect(ranges()).toEqual([`*/${size}`, `0-${size - 1}/${size}`]);
  });

  test('goes on at the offset that the bucket confirms after a cut', async (t) => {
    const cut = onNth(2, isChunk, { cutAfterBytes: 3 * QUANTUM + 5 });
    const { send, ranges, stored } = await setUp(t, cut);
    const bytes = randomBytes(2 * CHUNK_BYTES);
    const sent = await send(bytes);
    t.expect(stored()).toBe(digestOf(bytes));
    const confirmed = CHUNK_BYTES + 3 * QUANTUM;
    t.expect(ranges().slice(3)).toEqual([
      `*/${bytes.length}`,
      `${confirmed}-${bytes.length - 1}/${bytes.length}`,
    ]);
    t.expect(sent).toContain(confirmed);
  });

  test.for([429, 500, 503] as const)('waits out HTTP %i, as long as asked', async (status, t) => {
    const fault = onNth(1, isChunk, { status, retryAfterSeconds: 7 });
    const { send, stored, slept, ranges } = await setUp(t, fault);
    const bytes = randomBytes(1000);
    await send(bytes);
    t.expect(stored()).toBe(digestOf(bytes));
    t.expect(slept).toEqual([7000]);
    t.expect(ranges()).toEqual(['*/1000', '0-999/1000', '*/1000', '0-999/1000']);
  });

  test('a lost reply of the last chunk is found out by asking', async (t) => {
    const { send, stored, ranges } = await setUp(t, onNth(1, isChunk, { loseReply: true }));
    const bytes = randomBytes(1000);
    await send(bytes);
    t.expect(stored()).toBe(digestOf(bytes));
    t.expect(ranges()).toEqual(['*/1000', '0-999/1000', '*/1000']);
  });

  test('ends a session that holds all bytes but is not finished', async (t) => {
    const { send, stored, openSession } = await setUp(t);
    const bytes = randomBytes(QUANTUM);
    const address = await openSession(digestOf(bytes));
    const range = { 'Content-Range': `bytes 0-${QUANTUM - 1}/*` };
    await fetch(address, { method: 'PUT', headers: range, body: bytes, redirect: 'manual' });
    t.expect(stored()).toBeUndefined();
    await send(bytes, async () => address);
    t.expect(stored()).toBe(digestOf(bytes));
  });

  test.for([404, 410] as const)('HTTP %i: opens another session', async (status, t) => {
    const { send, stored, sessions } = await setUp(t, onNth(2, isChunk, { status }));
    const bytes = randomBytes(CHUNK_BYTES + 5);
    await send(bytes);
    t.expect(stored()).toBe(digestOf(bytes));
    t.expect(sessions()).toBe(2);
  });

  test('gives up after three sessions that are gone', async (t) => {
    const { send, sessions } = await setUp(t, ({ query }) =>
      query['upload_id'] === undefined ? undefined : { status: 410 },
    );
    await t.expect(send(randomBytes(10))).rejects.toMatchObject({ code: 'UPLOAD_NOT_FOUND' });
    t.expect(sessions()).toBe(3);
  });

  test('a layer that a colleague sent meanwhile needs no session', async (t) => {
    const { send, client, sessions } = await setUp(t, ({ query }) =>
      query['upload_id'] === undefined ? undefined : { status: 404 },
    );
    let checks = 0;
    client.checkLayers = async ([diffId = '']) => [
      { diffId, state: checks++ === 0 ? 'missing' : 'verified', reason: null },
    ];
    const sent = await send(randomBytes(10));
    t.expect(sent.at(-1)).toBe(10);
    t.expect(sessions()).toBe(1);
  });

  test('bytes that another uploader left complete are said to be, and sent again if that fails', async (t) => {
    const { send, client, sessions } = await setUp(t);
    const completed: string[] = [];
    client.checkLayers = async (ids) =>
      ids.map((diffId) => ({ diffId, state: 'complete', reason: null }));
    client.completeUpload = async (diffId) => {
      completed.push(diffId);
      return { diffId, state: 'complete' };
    };
    const bytes = randomBytes(10);
    t.expect(await send(bytes)).toEqual([]);
    t.expect([completed, sessions()]).toEqual([[digestOf(bytes)], 0]);

    let tries = 0;
    client.completeUpload = async (diffId) => {
      if (tries++ === 0) throw new AppError('LAYER_INVALID', 'Layer refused.');
      return { diffId, state: 'complete' };
    };
    await send(bytes);
    t.expect([tries, sessions()]).toEqual([2, 1]);
  });

  test('a bucket that takes nothing is named without the address that permits to write', async (t) => {
    const { send, url } = await setUp(t, (request) =>
      request.method === 'PUT' ? { status: 503 } : undefined,
    );
    const error: unknown = await send(randomBytes(10)).catch((thrown: unknown) => thrown);
    t.expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      message: `The storage at ${url} takes no bytes for now.`,
    });
    t.expect(JSON.stringify(error)).not.toContain('upload_id');
  });

  test('never shows our token to the bucket', async (t) => {
    const { send, control } = await setUp(t, onNth(1, isChunk, { status: 503 }));
    await send(randomBytes(CHUNK_BYTES + 1));
    const puts = control.requests.filter(({ method }) => method === 'PUT');
    t.expect(puts.length).toBe(5);
    t.expect(puts.filter(({ hasToken }) => hasToken)).toEqual([]);
    t.expect(JSON.stringify(puts)).not.toContain('secret');
  });
});

async function setUp(t: TestContext, fault?: FaultHook) {
  const folder = await mkdtemp(join(tmpdir(), 'caliban-bucket-'));
  t.onTestFinished(() => rm(folder, { recursive: true }));
  const { url, control, close } = await startCloudStorage({ buckets: [BUCKET] });
  t.onTestFinished(close);
  control.setFault(fault);
  const slept: number[] = [];
  const service = createClient({
    url: 'http://service.invalid',
    token: 'secret',
    fetch: (request) => fetch(request),
    clock: {
      now: () => 0,
      sleep: async (ms) => {
        slept.push(ms);
      },
      random: () => 0,
    },
    signal: new AbortController().signal,
  });
  const openSession = async (diffId: string) => {
    const path = `/upload/storage/v1/b/${BUCKET}/o?uploadType=resumable&name=${diffId}`;
    const response = await fetch(`${url}${path}&ifGenerationMatch=0`, { method: 'POST' });
    return response.headers.get('Location') ?? '';
  };
  const client: { -readonly [K in keyof Client]: Client[K] } = {
    ...service,
    checkLayers: async (ids) => ids.map((diffId) => ({ diffId, state: 'missing', reason: null })),
    openUpload: ({ diffId }) => openSession(diffId),
    completeUpload: async (diffId) => ({ diffId, state: 'complete' }),
  };
  async function send(bytes: Buffer, open = client.openUpload): Promise<number[]> {
    const diffId = digestOf(bytes);
    const path = join(folder, diffId);
    await writeFile(path, bytes);
    const size = bytes.length;
    const layer: PackedLayer = {
      diffId,
      uncompressedSize: size,
      spool: async () => ({ path, size, encoding: 'identity' }),
    };
    const seen: number[] = [];
    await uploadMissing({ ...client, openUpload: open }, [layer], ({ sent }) => seen.push(sent));
    return seen;
  }
  const seenPuts = () => control.requests.filter(({ method }) => method === 'PUT');
  return {
    url,
    control,
    client,
    slept,
    send,
    openSession,
    ranges: () => seenPuts().map(rangeOf),
    sessions: () => control.requests.filter(({ method }) => method === 'POST').length,
    stored: () => {
      const [name = ''] = control.names(BUCKET);
      const object = control.object(BUCKET, name);
      return object === undefined ? undefined : digestOf(object.bytes);
    },
  };
}

function rangeOf({ headers }: SeenRequest): string {
  return String(headers['content-range']).replace('bytes ', '');
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
