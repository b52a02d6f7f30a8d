import { describe, test } from 'vitest';
import { createMemoryLayerStore } from '../../functions/adapters/memory/memory-layer-store.ts';
import { CONTRACT_LIMITS, layerStoreContract } from '../contract/layer-store.ts';
import { uploadSinkContract } from '../contract/upload-sink.ts';
import { sendBlob } from '../doubles/layer-upload.ts';

const nothing = async () => {};

layerStoreContract('memory', async () => {
  const store = createMemoryLayerStore({ limits: CONTRACT_LIMITS });
  return {
    layers: store,
    send: (declaration, blob) => sendBlob(store, { declaration, blob }),
    async finish(diffId) {
      await store.complete(diffId);
    },
    staged: async () => [],
    close: nothing,
  };
});

uploadSinkContract('memory', async () => ({
  store: createMemoryLayerStore({ limits: CONTRACT_LIMITS }),
  close: nothing,
}));

describe('addVerified', () => {
  test('makes a layer that reads as an empty tar', async ({ expect }) => {
    const store = createMemoryLayerStore({ limits: CONTRACT_LIMITS });
    const diffId = 'f'.repeat(64);
    store.addVerified(diffId);
    expect(await store.check([diffId])).toMatchObject([{ state: 'verified', layer: { diffId } }]);
    expect(await store.readFile(diffId, 'anything', 10)).toBeUndefined();
    expect(await store.complete(diffId)).toBe('verified');
  });
});
