import { createHash } from 'node:crypto';
import { Readable, type Transform } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { layerInvalid } from '../../../shared/layers/layer-errors.ts';
import type { LayerCodec } from '../../../shared/layers/verify-layer.ts';
import type { LayerEncoding } from '../../ports/layer-store.ts';

const PIECE_BYTES = 256 * 1024;
/** 128 MiB, what zstd itself accepts unasked; a larger window would let a blob claim gigabytes of memory. */
const MAX_ZSTD_WINDOW_LOG = 27;

/** Hashes and decodes in pieces: memory does not grow with the layer. Errors of reading the blob pass unchanged. */
export const layerCodec: LayerCodec = {
  sha256() {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
  },
  decode: (blob, encoding) => (encoding === 'identity' ? blob : decompress(blob, encoding)),
};

async function* decompress(
  blob: AsyncIterable<Uint8Array>,
  encoding: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array> {
  const stream = decompressor(encoding);
  let fed = 0;
  const source = Readable.from(
    (async function* () {
      for await (const piece of blob) {
        fed += piece.length;
        yield piece;
      }
    })(),
    { objectMode: false, highWaterMark: PIECE_BYTES },
  );
  source.on('error', (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    yield* stream;
  } catch (error) {
    throw isDecodingError(error) ? damaged(encoding, error) : error;
  } finally {
    source.destroy();
    stream.destroy();
  }
  if (stream.bytesWritten < fed) {
    throw layerInvalid(`its ${encoding} blob has bytes behind its end`);
  }
}

function decompressor(encoding: Exclude<LayerEncoding, 'identity'>): Transform & {
  readonly bytesWritten: number;
} {
  if (encoding === 'gzip') return createGunzip({ chunkSize: PIECE_BYTES });
  return createZstdDecompress({
    chunkSize: PIECE_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: MAX_ZSTD_WINDOW_LOG },
  });
}

function isDecodingError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^Z(STD)?_/.test(String(error.code));
}

function damaged(encoding: LayerEncoding, cause: unknown): Error {
  const reason = `its ${encoding} blob is damaged, cut or not ${encoding} at all`;
  return layerInvalid(reason, undefined, cause);
}
