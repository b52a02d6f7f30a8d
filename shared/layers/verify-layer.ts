import type { DeclaredLayer, LayerLimits } from './layer-declaration.ts';
import { layerInvalid } from './layer-errors.ts';
import { createLayerReader } from './layer-rules.ts';

/** A running sha256. */
export interface RunningDigest {
  update(bytes: Uint8Array): void;
  /** Bare hex. */
  hex(): string;
}

/** What verification needs from the runtime. */
export interface LayerCodec {
  sha256(): RunningDigest;
  /** The bytes that a blob stands for. Throws AppError LAYER_INVALID for a damaged or cut blob and for bytes behind its end. */
  decode(
    blob: AsyncIterable<Uint8Array>,
    encoding: DeclaredLayer['encoding'],
  ): AsyncIterable<Uint8Array>;
}

/** What a blob is checked against. */
export interface LayerPromise {
  readonly declaration: DeclaredLayer;
  readonly limits: Pick<LayerLimits, 'maxEntries'>;
}

/**
 * Reads a blob once and checks everything that was declared and every entry (see layer-rules.ts). Stops at the first byte
 * beyond the declared size, so a small blob cannot make it work for long. Returns the bare hex sha256 of the blob.
 * Throws AppError LAYER_INVALID, and what reading the blob throws.
 */
export async function verifyLayer(
  blob: AsyncIterable<Uint8Array>,
  { declaration, limits }: LayerPromise,
  codec: LayerCodec,
): Promise<{ readonly blobDigest: string }> {
  const { encoding, uncompressedSize } = declaration;
  const counted = countBlob(blob, codec.sha256());
  const tar = codec.sha256();
  const reader = createLayerReader(limits);
  let tarBytes = 0;
  for await (const piece of codec.decode(counted.bytes(), encoding)) {
    tarBytes += piece.length;
    if (tarBytes > uncompressedSize)
      throw layerInvalid(`it holds more than the ${uncompressedSize} bytes that were declared`);
    tar.update(piece);
    reader.push(piece);
  }
  if (counted.size() !== declaration.blobSize) {
    throw layerInvalid(`${declaration.blobSize} bytes were declared, ${counted.size()} arrived`);
  }
  reader.end();
  if (tarBytes < uncompressedSize) {
    throw layerInvalid(`it holds ${tarBytes} bytes, ${uncompressedSize} were declared`);
  }
  const diffId = tar.hex();
  if (diffId === declaration.diffId) return { blobDigest: counted.hex() };
  throw layerInvalid(`its tar has sha256 ${diffId}, declared was ${declaration.diffId}`);
}

function countBlob(blob: AsyncIterable<Uint8Array>, digest: RunningDigest) {
  let size = 0;
  return {
    async *bytes() {
      for await (const piece of blob) {
        size += piece.length;
        digest.update(piece);
        yield piece;
      }
    },
    size: () => size,
    hex: () => digest.hex(),
  };
}
