import { describe, test } from 'vitest';
import { memoryLayerCodec } from '../../../../functions/adapters/memory/memory-layer-codec.ts';
import { verifyLayer } from '../../../../shared/layers/verify-layer.ts';
import { inPieces } from '../../../doubles/layer-upload.ts';
import { aFile, aLayer, aTar, type BuiltLayer, sha256 } from '../../../doubles/tar-builder.ts';

const TAR = aTar(aFile('usr/app/a.py', 'x = 1\n'));
const limits = { maxEntries: 10 };

function verify({ blob, declaration }: BuiltLayer) {
  return verifyLayer(inPieces(blob, 100), { declaration, limits }, memoryLayerCodec);
}

describe('verifyLayer', () => {
  test('gives the digest of the blob', async ({ expect }) => {
    const layer = aLayer(TAR, 'gzip');
    expect(await verify(layer)).toEqual({ blobDigest: sha256(layer.blob) });
  });

  test.for([-1, 1])('refuses a blob whose size is off by %i', async (off, { expect }) => {
    const { blob } = aLayer(TAR);
    const layer = aLayer(TAR, 'gzip', { blobSize: blob.length + off });
    await expect(verify(layer)).rejects.toMatchObject({
      code: 'LAYER_INVALID',
      message: `Layer refused: ${blob.length + off} bytes were declared, ${blob.length} arrived.`,
    });
  });

  test('stops reading the blob at the first byte beyond the declared size', async ({ expect }) => {
    let read = 0;
    async function* endless() {
      for (;;) {
        read += TAR.length;
        yield TAR;
      }
    }
    const { declaration } = aLayer(TAR, 'identity');
    const codec = { ...memoryLayerCodec, decode: (blob: AsyncIterable<Uint8Array>) => blob };
    await expect(verifyLayer(endless(), { declaration, limits }, codec)).rejects.toMatchObject({
      code: 'LAYER_INVALID',
    });
    expect(read).toBe(2 * TAR.length);
  });
});
