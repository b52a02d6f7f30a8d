import { describe, test } from 'vitest';
import { createHostedUploads } from '../../../../functions/hosted/hosted-uploads.ts';
import type { LayerState } from '../../../../functions/ports/layer-store.ts';
import { aFile, aLayer, aTar, sha256 } from '../../../doubles/tar-builder.ts';

const { declaration, blob } = aLayer(aTar(aFile('usr/app/main.py')));
const { diffId } = declaration;
const QUERY = { bytes: undefined, total: 12_345 };

const uploadsOf = (state: LayerState) => createHostedUploads({ check: async () => [state] });
async function* nothing(): AsyncGenerator<Uint8Array> {}

describe('the upload route of a hosted service', () => {
  test.for<LayerState>([
    { state: 'complete' },
    { state: 'verified', layer: { ...declaration, blobDigest: sha256(blob) } },
  ])(
    'has all bytes of a layer that is $state, however many it is asked about',
    async (state, { expect }) => {
      const received = await uploadsOf(state).receive(diffId, QUERY, nothing());
      expect(received).toEqual({ received: QUERY.total });
    },
  );

  test.for<LayerState>([{ state: 'missing' }, { state: 'failed', reason: 'not gzip' }])(
    'knows no upload of a layer that is $state',
    async (state, { expect }) => {
      await expect(uploadsOf(state).receive(diffId, QUERY, nothing())).rejects.toMatchObject({
        code: 'UPLOAD_NOT_FOUND',
      });
    },
  );
});
