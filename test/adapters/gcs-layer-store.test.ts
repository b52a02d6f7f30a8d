import { describe } from 'vitest';
import { createGcsLayerStore } from '../../functions/adapters/gcp/gcs-layer-store.ts';
import { CONTRACT_LIMITS, layerStoreContract } from '../contract/layer-store.ts';
import { startCloudStorage } from '../doubles/cloud-storage/cloud-storage.ts';
import { quietLog, sendToSession, stagedNames } from '../doubles/gcs-upload.ts';
import { startFakeGcs } from '../fixtures/fake-gcs.ts';
import { hasPart } from '../fixtures/require.ts';

const BUCKET = 'caliban-layers';

function aStore(endpoint: string) {
  const clock = { now: () => Date.now() };
  const options = { projectId: 'test', bucket: BUCKET, limits: CONTRACT_LIMITS };
  return createGcsLayerStore({ ...options, endpoint, clock, log: quietLog });
}

function underContract(
  endpoint: string,
  bucket: { names(): Promise<string[]>; close(): Promise<void> },
) {
  const layers = aStore(endpoint);
  return {
    layers,
    send: (declaration: Parameters<typeof sendToSession>[1], blob: Uint8Array) =>
      sendToSession(layers, declaration, blob),
    async finish(diffId: string) {
      if ((await layers.complete(diffId)) === 'complete') await layers.verify(diffId);
    },
    staged: async () => stagedNames(await bucket.names(), layers),
    close: () => bucket.close(),
  };
}

layerStoreContract('Cloud Storage double', async () => {
  const { url, control, close } = await startCloudStorage({ buckets: [BUCKET] });
  return underContract(url, { names: async () => control.names(BUCKET), close });
});

describe.runIf(hasPart('tools'))('an independent Cloud Storage', () => {
  layerStoreContract('fake-gcs-server', async () => {
    const gcs = await startFakeGcs();
    await gcs.makeBucket(BUCKET);
    return underContract(gcs.url, { names: () => gcs.names(BUCKET), close: gcs.close });
  });
});
