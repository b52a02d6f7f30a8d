import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { type Client, createClient } from '../../../../cli/lib/client.ts';
import type { PackedLayer } from '../../../../cli/lib/parts.ts';
import { type UploadProgress, uploadMissing } from '../../../../cli/lib/upload.ts';
import { CHUNK_BYTES } from '../../../../cli/lib/upload-session.ts';
import { type FakeService, startFakeService } from '../../../doubles/fake-service.ts';

describe('uploadMissing', () => {
  test('sends only what the service lacks', async (t) => {
    const { service, client, layer } = await setUp(t);
    const known = await layer(10);
    const fresh = await layer(20);
    service.state.layers.set(known.diffId, Buffer.alloc(10));
    const done = await uploadMissing(client, [known, fresh], () => {});
    t.expect(done).toEqual({ layers: 1, sent: 20, total: 20 });
    t.expect(known.spooled()).toBe(0);
    t.expect(digestOf(service, fresh)).toBe(fresh.diffId);
  });

  test('asks nothing for nothing', async (t) => {
    const { service, client } = await setUp(t);
    t.expect(await uploadMissing(client, [], () => {})).toEqual({ layers: 0, sent: 0, total: 0 });
    t.expect(service.state.requests).toEqual([]);
  });

  test('goes on where a connection broke', async (t) => {
    const { service, client, layer } = await setUp(t);
    const big = await layer(3 * CHUNK_BYTES + 12_345);
    service.state.fault = (request, count) =>
      request.includes('/upload') && (count === 2 || count === 4)
        ? { dropAfter: CHUNK_BYTES / 2 }
        : undefined;
    const seen: UploadProgress[] = [];
    await uploadMissing(client, [big], (progress) => seen.push(progress));
    t.expect(digestOf(service, big)).toBe(big.diffId);
    t.expect(seen.at(-1)).toEqual({ layers: 1, sent: big.size, total: big.size });
    const sent = seen.map((progress) => progress.sent);
    t.expect(sent).toEqual(sent.toSorted((a, b) => a - b));
  });

  test('takes up what an earlier run had sent', async (t) => {
    const { service, client, layer } = await setUp(t);
    const big = await layer(2 * CHUNK_BYTES);
    const bytes = big.bytes.subarray(0, 1_000);
    service.state.sessions.set(big.diffId, { total: big.size, bytes: Buffer.from(bytes) });
    const seen: number[] = [];
    await uploadMissing(client, [big], ({ sent }) => seen.push(sent));
    t.expect(seen[0]).toBe(1_000);
    t.expect(digestOf(service, big)).toBe(big.diffId);
  });

  test('opens another session when the service forgot one', async (t) => {
    const { service, client, layer } = await setUp(t);
    const big = await layer(2 * CHUNK_BYTES);
    service.state.fault = (request, count) => {
      if (request.includes('/upload') && count === 2) service.state.sessions.clear();
      return undefined;
    };
    await uploadMissing(client, [big], () => {});
    t.expect(digestOf(service, big)).toBe(big.diffId);
    t.expect(service.state.requests.filter((line) => line === 'POST /v1/layers')).toHaveLength(2);
  });

  test('gives up on a service that never takes a byte', async (t) => {
    const { service, client, layer } = await setUp(t);
    service.state.fault = (request) => (request.includes('/upload') ? 'drop' : undefined);
    await t
      .expect(uploadMissing(client, [await layer(10)], () => {}))
      .rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect(service.state.requests.length).toBeLessThan(15);
  });

  test('a refused layer ends it with the reason of the service', async (t) => {
    const { service, client, layer } = await setUp(t);
    service.state.fault = (request) =>
      request.endsWith('/complete') ? { code: 'LAYER_INVALID' } : undefined;
    await t
      .expect(uploadMissing(client, [await layer(10)], () => {}))
      .rejects.toMatchObject({ code: 'LAYER_INVALID' });
  });

  test('sends no token to another address than the service', async (t) => {
    const { client, layer } = await setUp(t);
    const bucket = await startFakeService(t.onTestFinished, { token: null });
    const one = await layer(10);
    bucket.state.sessions.set(one.diffId, { total: 10, bytes: Buffer.alloc(0) });
    const elsewhere: Client = {
      ...client,
      openUpload: async () => `${bucket.url}/v1/layers/${one.diffId}/upload`,
      completeUpload: async (diffId) => ({ diffId, state: 'complete' }),
    };
    await uploadMissing(elsewhere, [one], () => {});
    t.expect(bucket.state.sessions.get(one.diffId)?.bytes.length).toBe(10);
    t.expect(new Set(bucket.state.tokens)).toEqual(new Set([undefined]));
  });
});

interface TestLayer extends PackedLayer {
  readonly bytes: Buffer;
  readonly size: number;
  spooled(): number;
}

async function setUp(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'caliban-upload-'));
  t.onTestFinished(() => rm(folder, { recursive: true }));
  const service = await startFakeService(t.onTestFinished);
  const client = createClient({
    url: service.url,
    token: 'secret',
    fetch: (request) => fetch(request),
    clock: { now: () => 0, sleep: async () => {}, random: () => 0 },
    signal: new AbortController().signal,
  });
  const layer = async (size: number): Promise<TestLayer> => {
    const bytes = randomBytes(size);
    const diffId = createHash('sha256').update(bytes).digest('hex');
    const path = join(folder, diffId);
    await writeFile(path, bytes);
    let spooled = 0;
    return {
      diffId,
      bytes,
      size,
      uncompressedSize: size,
      spooled: () => spooled,
      async spool() {
        spooled++;
        return { path, size, encoding: 'identity' };
      },
    };
  };
  return { service, client, layer };
}

function digestOf({ state }: FakeService, { diffId }: PackedLayer): string {
  return createHash('sha256')
    .update(state.layers.get(diffId) ?? '')
    .digest('hex');
}
