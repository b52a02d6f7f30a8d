import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { type Client, createClient } from '../../cli/lib/client.ts';
import type { PackedLayer } from '../../cli/lib/parts.ts';
import { uploadMissing } from '../../cli/lib/upload.ts';
import { createHostedUploads } from '../../functions/hosted/hosted-uploads.ts';
import type { LayerStore } from '../../functions/ports/layer-store.ts';
import { isChunk, onNth } from '../doubles/cloud-storage/faults.ts';
import { aTemporaryDirectory } from '../doubles/layer-upload.ts';
import { aFile, aLayer, aTar, type BuiltLayer } from '../doubles/tar-builder.ts';
import { aLayerBucket, LAYER_BUCKET } from '../fixtures/gcs-layers.ts';

const KIB = 1024;

/** What the CLI calls, answered by a store as the API does. */
function clientOf(store: LayerStore): Client {
  const client = createClient({
    url: 'http://service.invalid',
    token: 'secret',
    fetch: (request) => fetch(request),
    clock: { now: () => 0, sleep: async () => {}, random: () => 0 },
    signal: new AbortController().signal,
  });
  return {
    ...client,
    checkLayers: async (ids) =>
      (await store.check(ids)).map((found, at) => ({
        diffId: ids[at] ?? '',
        state: found.state,
        reason: found.state === 'failed' ? found.reason : null,
      })),
    openUpload: async (declaration) => {
      const { uploadUrl } = await store.begin(declaration);
      return uploadUrl ?? `/v1/layers/${declaration.diffId}/upload`;
    },
    completeUpload: async (diffId) => ({ diffId, state: await store.complete(diffId) }),
  };
}

async function packed({ declaration, blob }: BuiltLayer): Promise<PackedLayer> {
  const path = join(await aTemporaryDirectory(), 'blob');
  await writeFile(path, blob);
  const { diffId, uncompressedSize, encoding, blobSize: size } = declaration;
  return { diffId, uncompressedSize, spool: async () => ({ path, size, encoding }) };
}

test('layers go from the CLI to the bucket, through cuts, lost replies and forgotten sessions', async ({
  expect,
}) => {
  const { control, instance } = await aLayerBucket();
  const store = instance();
  const built = [1, 2, 3].map((n) =>
    aLayer(aTar(aFile(`usr/app/${n}`, String(n).repeat(n * 900 * KIB))), 'identity'),
  );
  const layers = await Promise.all(built.map(packed));
  const faults = [
    onNth(1, isChunk, { cutAfterBytes: 500 * KIB }),
    onNth(2, isChunk, { status: 503 }),
    onNth(3, isChunk, { loseReply: true }),
    onNth(4, isChunk, { status: 410 }),
  ];
  control.setFault((request) => faults.map((hook) => hook(request)).find((fault) => fault));
  const sent = await uploadMissing(clientOf(store), layers, () => {});
  const total = built.reduce((sum, { blob }) => sum + blob.length, 0);
  expect(sent).toEqual({ layers: 3, sent: total, total });

  for (const { declaration, blob } of built) {
    const { diffId } = declaration;
    expect(await store.check([diffId])).toEqual([{ state: 'complete' }]);
    await store.verify(diffId);
    expect(control.object(LAYER_BUCKET, `layers/${diffId}`)?.bytes.equals(blob)).toBe(true);
  }
  expect(control.requests.filter(({ hasToken }) => hasToken)).toEqual([]);
  expect(await uploadMissing(clientOf(store), layers, () => {})).toMatchObject({ layers: 0 });
});

test('a layer that was verified after the CLI asked is not sent', async ({ expect }) => {
  const { control, instance } = await aLayerBucket();
  const store = instance();
  const built = aLayer(aTar(aFile('usr/app/a')), 'gzip');
  const layer = await packed(built);
  const first = clientOf(store);
  await uploadMissing(first, [layer], () => {});
  await store.verify(layer.diffId);
  let asked = 0;
  const late: Client = {
    ...first,
    // This service has no route that takes bytes.
    remote: { ...first.remote, fetch: async () => new Response(null, { status: 404 }) },
    checkLayers: async (ids) =>
      asked++ === 0
        ? ids.map((diffId) => ({ diffId, state: 'missing', reason: null }))
        : first.checkLayers(ids),
  };
  const before = control.requests.filter(isChunk).length;
  await uploadMissing(late, [layer], () => {});
  expect(control.requests.filter(isChunk)).toHaveLength(before);
  expect(asked).toBe(2);
});

test('a layer that somebody else sent in full, packed in another way, is not sent', async ({
  expect,
}) => {
  const { control, instance } = await aLayerBucket();
  const store = instance();
  const tar = aTar(aFile('usr/app/a', 'a'.repeat(10 * KIB)));
  const theirs = await packed(aLayer(tar, 'gzip'));
  const first = clientOf(store);
  await uploadMissing(first, [theirs], () => {});
  const uploads = createHostedUploads(store);
  let isAsked = false;
  const late: Client = {
    ...first,
    remote: {
      ...first.remote,
      // As the service's own route answers.
      fetch: async ({ headers }) => {
        const total = Number(headers.get('Content-Range')?.split('/')[1]);
        const nothing = (async function* () {})();
        const received = await uploads.receive(theirs.diffId, { bytes: undefined, total }, nothing);
        return Response.json(received);
      },
    },
    checkLayers: async (ids) => {
      if (isAsked) return first.checkLayers(ids);
      isAsked = true;
      return ids.map((diffId) => ({ diffId, state: 'missing', reason: null }));
    },
  };
  const before = control.requests.filter(isChunk).length;
  await uploadMissing(late, [await packed(aLayer(tar, 'identity'))], () => {});
  expect(control.requests.filter(isChunk)).toHaveLength(before);
  await store.verify(theirs.diffId);
  expect(await store.check([theirs.diffId])).toMatchObject([{ layer: { encoding: 'gzip' } }]);
});
