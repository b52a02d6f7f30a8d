import { createHash } from 'node:crypto';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { layerInvalid } from '../../../shared/layers/layer-errors.ts';
import type { LayerCodec } from '../../../shared/layers/verify-layer.ts';

/** Hashes and decodes blobs that are in memory anyway. */
export const memoryLayerCodec: LayerCodec = {
  sha256() {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
  },
  async *decode(blob, encoding) {
    const bytes = await concatenated(blob);
    if (encoding === 'identity') {
      yield bytes;
      return;
    }
    const stream = encoding === 'gzip' ? createGunzip() : createZstdDecompress();
    stream.end(bytes);
    try {
      yield* stream;
    } catch (cause) {
      const reason = `its ${encoding} blob is damaged, cut or not ${encoding} at all`;
      throw layerInvalid(reason, undefined, cause);
    }
    if (stream.bytesWritten === bytes.length) return;
    throw layerInvalid(`its ${encoding} blob has bytes behind its end`);
  },
};

/** All pieces as one. */
export async function concatenated(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}
