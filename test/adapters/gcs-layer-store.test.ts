import { beforeAll, describe } from 'vitest';
import { createGcsLayerStore } from '../../functions/adapters/gcp/gcs-layer-store.ts';
import { CONTRACT_LIMITS, layerStoreContract } from '../contract/layer-store.ts';
import { startCloudStorage } from '../doubles/cloud-storage/cloud-storage.ts';
import { quietLog, sendToSession, stagedNames } from '../doubles/gcs-upload.ts';
import { type FakeGcs, startFakeGcs } from '../fixtures/fake-gcs.ts';
import { hasPart } from '../fixtures/require.ts';

const BUCKET = 'caliban-layers';

interface OpenBucket {
  readonly bucket: string;
  names(): Promise<string[]>;
  close(): Promise<void>;
}

function underContract(endpoint: string, { bucket, names, close }: OpenBucket) {
  const layers = createGcsLayerStore({
    projectId: 'test',
    bucket,
    endpoint,
    limits: CONTRACT_LIMITS,
    clock: { now: () => Date.now() },
    log: quietLog,
  });
  return {
    layers,
    send: (declaration: Parameters<typeof sendToSession>[1], blob: Uint8Array) =>
      sendToSession(layers, declaration, blob),
    async finish(diffId: string) {
      if ((await layers.complete(diffId)) === 'complete') await layers.verify(diffId);
    },
    staged: async () => stagedNames(await names(), layers),
    close,
  };
}

layerStoreContract('Cloud Storage double', async () => {
  const { url, control, close } = await startCloudStorage({ buckets: [BUCKET] });
  return underContract(url, { bucket: BUCKET, names: async () => control.names(BUCKET), close });
});

describe.runIf(hasPart('tools'))('an independent Cloud Storage', () => {
  let gcs: FakeGcs;
  beforeAll(async () => {
    gcs = await startFakeGcs();
    return gcs.close;
  });
  let buckets = 0;

  layerStoreContract('fake-gcs-server', async () => {
    const bucket = `${BUCKET}-${++buckets}`;
    await gcs.makeBucket(bucket);
    return underContract(gcs.url, {
      bucket,
      names: () => gcs.names(bucket),
      close: async () => {},
    });
  });
});
