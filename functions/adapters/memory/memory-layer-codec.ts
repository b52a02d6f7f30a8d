import { createHash } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { layerInvalid, layerTooLong } from '../../../shared/layers/layer-errors.ts';
import type { LayerCodec } from '../../../shared/layers/verify-layer.ts';
import type { LayerEncoding } from '../../ports/layer-store.ts';

/** Hashes and decodes whole blobs at once: right for layers that are in memory anyway. */
export const memoryLayerCodec: LayerCodec = {
  sha256() {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
  },
  async *decode(blob, encoding, maxBytes) {
    const pieces = await Array.fromAsync(blob);
    yield inflate(Buffer.concat(pieces), encoding, maxBytes);
  },
};

function inflate(blob: Buffer, encoding: LayerEncoding, maxBytes: number): Uint8Array {
  if (encoding === 'identity') return blob;
  const { buffer, consumed } = inflateOnce(blob, encoding, maxBytes);
  if (consumed < blob.length) throw layerInvalid(`the ${encoding} blob has bytes behind its end`);
  return buffer;
}

function inflateOnce(blob: Buffer, encoding: 'gzip' | 'zstd', maxBytes: number) {
  const options = { maxOutputLength: maxBytes, info: true };
  try {
    const result: unknown =
      encoding === 'gzip' ? gunzipSync(blob, options) : zstdDecompressSync(blob, options);
    return parseInfo(result);
  } catch (cause) {
    if (cause instanceof RangeError) throw layerTooLong(maxBytes);
    if (cause instanceof Error) throw layerInvalid(`the blob is no ${encoding}: ${cause.message}`);
    throw cause;
  }
}
