import { randomBytes } from 'node:crypto';
import { describe, onTestFinished, test } from 'vitest';
import {
  type CloudStorageOptions,
  startCloudStorage,
} from '../../doubles/cloud-storage/cloud-storage.ts';
import { isChunk, onNth } from '../../doubles/cloud-storage/faults.ts';

const BUCKET = 'bucket-1';
const QUANTUM = 256 * 1024;

async function aSession(options: CloudStorageOptions = {}, query = '') {
  const double = await startCloudStorage({ buckets: [BUCKET], ...options });
  onTestFinished(() => double.close());
  const { url, control } = double;
  const open = () =>
    fetch(`${url}/upload/storage/v1/b/${BUCKET}/o?uploadType=resumable&name=big${query}`, {
      method: 'POST',
      headers: { 'X-Upload-Content-Type': 'text/x-big', 'Content-Type': 'application/json' },
      body: JSON.stringify({ metadata: { k: 'v' } }),
    });
  const opened = await open();
  const address = opened.headers.get('Location') ?? '';
  const put = async (range: string, body: Buffer | null = null) => {
    const response = await fetch(address, {
      method: 'PUT',
      headers: { 'Content-Range': `bytes ${range}` },
      body: body === null ? null : new Uint8Array(body),
      redirect: 'manual',
    });
    return {
      status: response.status,
      range: response.headers.get('Range'),
      text: await response.text(),
    };
  };
  const cancel = () => fetch(address, { method: 'DELETE' });
  const object = () => control.object(BUCKET, 'big');
  return { ...double, opened, open, put, cancel, object };
}

describe('a resumable upload', () => {
  test('takes chunks and says how far it is', async ({ expect }) => {
    const { put, object } = await aSession();
    const bytes = randomBytes(2 * QUANTUM + 100);
    const total = bytes.length;
    expect(await put(`*/${total}`)).toMatchObject({ status: 308, range: null });
    const first = bytes.subarray(0, QUANTUM);
    const half = { status: 308, range: `bytes=0-${QUANTUM - 1}` };
    expect(await put(`0-${QUANTUM - 1}/${total}`, first)).toMatchObject(half);
    expect(await put(`*/${total}`)).toMatchObject(half);
    expect(object()).toBeUndefined();
    const rest = bytes.subarray(QUANTUM);
    expect((await put(`${QUANTUM}-${total - 1}/${total}`, rest)).status).toBe(200);
    expect(object()?.bytes.equals(bytes)).toBe(true);
    expect(object()?.settings).toEqual({ contentType: 'text/x-big', metadata: { k: 'v' } });
    // Idempotent: a query or the same bytes again.
    expect((await put(`*/${total}`)).status).toBe(200);
    expect((await put(`${QUANTUM}-${total - 1}/${total}`, rest)).status).toBe(200);
  });

  test('keeps only multiples of 256 KiB of what is not the last', async ({ expect }) => {
    const { put, object } = await aSession();
    const bytes = randomBytes(QUANTUM + 1000);
    const total = bytes.length;
    const early = await put(`0-99/${total}`, bytes.subarray(0, 100));
    expect(early).toMatchObject({ status: 308, range: null });
    const more = await put(`0-${QUANTUM + 499}/${total}`, bytes.subarray(0, QUANTUM + 500));
    expect(more).toMatchObject({ status: 308, range: `bytes=0-${QUANTUM - 1}` });
    // What is there is skipped.
    expect((await put(`0-${total - 1}/${total}`, bytes)).status).toBe(200);
    expect(object()?.bytes.equals(bytes)).toBe(true);
  });

  test('may not know its size until the end', async ({ expect }) => {
    const { put, object } = await aSession();
    const bytes = randomBytes(QUANTUM);
    expect((await put(`0-${QUANTUM - 1}/*`, bytes)).status).toBe(308);
    expect((await put(`*/${QUANTUM}`)).status).toBe(200);
    expect(object()?.bytes.equals(bytes)).toBe(true);
  });

  test('refuses gaps, lies and nonsense', async ({ expect }) => {
    const { put } = await aSession();
    const gap = await put('100-199/1000', randomBytes(100));
    expect([gap.status, gap.text]).toEqual([503, expect.stringContaining('exceeds already')]);
    expect((await put('0-99/1000', randomBytes(50))).status).toBe(400);
    expect((await put('99-0/1000', randomBytes(50))).status).toBe(400);
    expect((await put('0-99/50', randomBytes(100))).status).toBe(400);
    expect((await put('abc')).status).toBe(400);
  });

  test('ends when it is cancelled or forgotten', async ({ expect }) => {
    const one = await aSession();
    expect((await one.cancel()).status).toBe(499);
    expect((await one.put('0-1/2', randomBytes(2))).status).toBe(499);
    const two = await aSession();
    two.control.expireSessions();
    expect((await two.put('*/2')).status).toBe(404);
  });

  test('checks its precondition at the opening and at the end', async ({ expect }) => {
    const { put, open, control } = await aSession({}, '&ifGenerationMatch=0');
    control.put(BUCKET, 'big', { bytes: Buffer.from('other') });
    expect((await put('0-1/2', randomBytes(2))).status).toBe(412);
    expect((await open()).status).toBe(412);
  });
});

describe('faults', () => {
  test('a cut keeps what arrived, in multiples of 256 KiB', async ({ expect }) => {
    const cutAfterBytes = QUANTUM + 1000;
    const { put, object } = await aSession({ fault: onNth(1, isChunk, { cutAfterBytes }) });
    const bytes = randomBytes(3 * QUANTUM);
    const total = bytes.length;
    await expect(put(`0-${total - 1}/${total}`, bytes)).rejects.toThrow();
    expect(await put(`*/${total}`)).toMatchObject({ range: `bytes=0-${QUANTUM - 1}` });
    const rest = bytes.subarray(QUANTUM);
    expect((await put(`${QUANTUM}-${total - 1}/${total}`, rest)).status).toBe(200);
    expect(object()?.bytes.equals(bytes)).toBe(true);
  });

  test('a lost reply is of work that was done', async ({ expect }) => {
    const { put, object } = await aSession({ fault: onNth(1, isChunk, { loseReply: true }) });
    await expect(put('0-1/2', Buffer.from('ab'))).rejects.toThrow();
    expect(object()?.bytes.toString()).toBe('ab');
    expect((await put('*/2')).status).toBe(200);
  });

  test('a status is answered with nothing done; a request may wait', async ({ expect }) => {
    const { put, object, control } = await aSession();
    for (const status of [429, 500, 503] as const) {
      control.setFault(() => ({ status, retryAfterSeconds: 1 }));
      expect((await put('0-1/2', Buffer.from('ab'))).status).toBe(status);
    }
    expect(object()).toBeUndefined();
    const { promise, resolve } = Promise.withResolvers<void>();
    control.setFault(() => ({ until: promise }));
    const sent = put('0-1/2', Buffer.from('ab'));
    await expect.poll(() => control.requests.length).toBe(5);
    expect(object()).toBeUndefined();
    resolve();
    expect((await sent).status).toBe(200);
  });
});
