import { createHash } from 'node:crypto';
import { test } from 'vitest';
import {
  layerCompleted,
  layersChecked,
  uploadReceived,
  uploadSession,
} from '../../../../shared/api/layers.ts';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { CODE_LAYER } from '../../../doubles/a-spec.ts';
import { type ApiBench, createApiBench } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';

const TAR = new Uint8Array(1_024);
const DIFF_ID = createHash('sha256').update(TAR).digest('hex');

async function begin({ send }: ApiBench, changes: Record<string, unknown> = {}): Promise<string> {
  const declaration = {
    diffId: DIFF_ID,
    blobSize: 1_024,
    encoding: 'identity',
    uncompressedSize: 1_024,
  };
  const answer = await send('/v1/layers', { json: { ...declaration, ...changes } });
  return uploadSession.parse(await answer.json()).uploadUrl;
}

function put({ send }: ApiBench, range: string, body?: Uint8Array<ArrayBuffer>) {
  const init = { method: 'PUT', headers: { 'Content-Range': range } };
  return send(`/v1/layers/${DIFF_ID}/upload`, body === undefined ? init : { ...init, body });
}

test('a layer goes up in pieces, is verified, and is there', async ({ expect }) => {
  const bench = createApiBench();
  expect(await begin(bench)).toBe(`/v1/layers/${DIFF_ID}/upload`);
  const asked = await put(bench, 'bytes */1024');
  expect([asked.status, asked.headers.get('Range')]).toEqual([308, null]);
  const half = await put(bench, 'bytes 0-511/1024', TAR.slice(0, 512));
  expect([half.status, half.headers.get('Range')]).toEqual([308, 'bytes=0-511']);
  const again = await put(bench, 'bytes 256-767/1024', TAR.slice(256, 768));
  expect([again.status, again.headers.get('Range')]).toEqual([308, 'bytes=0-767']);
  const rest = await put(bench, 'bytes 768-1023/1024', TAR.slice(768));
  expect(rest.status).toBe(200);
  expect(uploadReceived.parse(await rest.json())).toEqual({ diffId: DIFF_ID, received: 1_024 });
  const done = await bench.send(`/v1/layers/${DIFF_ID}/complete`, { json: {} });
  expect(done.status).toBe(200);
  expect(layerCompleted.parse(await done.json())).toEqual({ diffId: DIFF_ID, state: 'verified' });
  const missing = 'a'.repeat(64);
  const check = await bench.send('/v1/layers/check', {
    json: { diffIds: [DIFF_ID, missing, CODE_LAYER] },
  });
  expect(layersChecked.parse(await check.json()).layers.map(({ state }) => state)).toEqual([
    'verified',
    'missing',
    'verified',
  ]);
});

test('a layer whose verification follows is answered 202', async ({ expect }) => {
  const bench = createApiBench();
  bench.layers.complete = async () => 'complete';
  const answer = await bench.send(`/v1/layers/${DIFF_ID}/complete`, { method: 'POST' });
  expect(answer.status).toBe(202);
});

test('an upload that another place takes is named by its address', async ({ expect }) => {
  const bench = createApiBench({ api: { uploads: null } });
  bench.layers.begin = async () => ({ uploadUrl: 'https://storage.example/session' });
  expect(await begin(bench)).toBe('https://storage.example/session');
  expect(await errorOf(put(bench, 'bytes */1024'))).toMatchObject({ code: 'ROUTE_NOT_FOUND' });
});

test('a body that breaks off keeps what arrived', async ({ expect }) => {
  const bench = createApiBench();
  await begin(bench);
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(TAR.slice(0, 100)),
    pull: (controller) => controller.error(new Error('connection reset')),
  });
  const headers = { 'Content-Range': 'bytes 0-1023/1024' };
  const broken = bench.send(`/v1/layers/${DIFF_ID}/upload`, { method: 'PUT', headers, body });
  expect(await errorOf(broken)).toMatchObject({ status: 400, message: 'The body broke off.' });
  expect((await put(bench, 'bytes */1024')).headers.get('Range')).toBe('bytes=0-99');
});

test('a range that is none is refused before a byte is read', async ({ expect }) => {
  const bench = createApiBench();
  await begin(bench);
  const none = [
    '',
    'bytes',
    'bytes 0-1',
    'bytes 5-4/10',
    'bytes 0-10/10',
    'bytes 0x0-1/2',
    'items 0-1/2',
    'bytes -1-2/3',
    'bytes */*',
    'bytes 0-1/2, 3-4/5',
    'bytes 0-1/9999999999999999',
  ];
  for (const range of none) {
    const error = await errorOf(put(bench, range, TAR.slice(0, 2)));
    expect(error, range).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
    expect(error.message).toContain('Content-Range');
  }
  const last = LIMITS.uploadChunkBytes;
  const large = put(bench, `bytes 0-${last}/${last + 1}`, TAR);
  expect(await errorOf(large)).toMatchObject({ status: 413, code: 'REQUEST_TOO_LARGE' });
});

test('bytes without a session, with a gap, and a layer that is not what it says are refused', async ({
  expect,
}) => {
  const bench = createApiBench();
  expect(await errorOf(put(bench, 'bytes */1024'))).toMatchObject({
    status: 404,
    code: 'UPLOAD_NOT_FOUND',
  });
  await begin(bench);
  const gap = put(bench, 'bytes 512-1023/1024', TAR.slice(512));
  expect(await errorOf(gap)).toMatchObject({ status: 409, code: 'UPLOAD_CONFLICT' });
  const early = bench.send(`/v1/layers/${DIFF_ID}/complete`, { json: {} });
  expect(await errorOf(early)).toMatchObject({ status: 409, code: 'UPLOAD_CONFLICT' });
  await put(bench, 'bytes 0-1023/1024', new Uint8Array(1_024).fill(1));
  const wrong = bench.send(`/v1/layers/${DIFF_ID}/complete`, { json: {} });
  expect(await errorOf(wrong)).toMatchObject({ status: 422, code: 'LAYER_INVALID' });
  const check = await bench.send('/v1/layers/check', { json: { diffIds: [DIFF_ID] } });
  expect(layersChecked.parse(await check.json()).layers[0]).toMatchObject({ state: 'failed' });
});

test('a declaration over the limits is refused', async ({ expect }) => {
  const { send } = createApiBench();
  const declaration = { diffId: DIFF_ID, blobSize: 1e13, encoding: 'gzip', uncompressedSize: 1 };
  expect(await errorOf(send('/v1/layers', { json: declaration }))).toMatchObject({ status: 400 });
});
