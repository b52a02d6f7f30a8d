import { AppError } from '../../../../shared/errors/app-error.ts';
import type { PlannedImage } from './run-image.ts';

/** A layer to send: its tar, and how long that is. */
export interface SentLayer {
  readonly diffId: string;
  readonly size: number;
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

const BLOCK = 512;
const MAX_OCTAL_SIZE = 0o77777777777;

/**
 * An image as `docker load` takes it: configuration, manifest and only the layers that are given. An engine takes those that it has from
 * its own store, because it looks there first (moby, image/tarexport/load.go). A stream: no layer is held in memory.
 */
export async function* imageArchive(
  image: PlannedImage,
  layers: readonly SentLayer[],
): AsyncGenerator<Uint8Array, void> {
  const configName = `${image.id.replace('sha256:', '')}.json`;
  const Layers = image.diffIds.map((diffId) => layerName(diffId.replace('sha256:', '')));
  const manifest = [{ Config: configName, RepoTags: [image.tag], Layers }];
  yield* textEntry(configName, image.config);
  yield* textEntry('manifest.json', JSON.stringify(manifest));
  for (const layer of new Map(layers.map((sent) => [sent.diffId, sent])).values()) {
    yield* layerEntry(layer);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function layerName(diffId: string): string {
  return `${diffId}.tar`;
}

function* textEntry(name: string, text: string): Generator<Uint8Array, void> {
  const content = Buffer.from(text);
  yield header(name, content.length);
  yield content;
  yield padding(content.length);
}

async function* layerEntry({ diffId, size, open }: SentLayer): AsyncGenerator<Uint8Array, void> {
  const tar = await open();
  yield header(layerName(diffId), size);
  let sent = 0;
  for await (const chunk of tar) {
    sent += chunk.length;
    yield chunk;
  }
  if (sent !== size) {
    throw new AppError('INTERNAL', `Layer ${diffId} has ${sent} bytes instead of ${size}.`);
  }
  yield padding(size);
}

/** A header of POSIX ustar; a size of 8 GiB or more in base 256, which Go's reader takes as GNU's does. */
function header(name: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 'latin1');
  block.write('0000644\x000000000\x000000000\0', 100, 'latin1');
  if (size <= MAX_OCTAL_SIZE) block.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write('00000000000\0', 136, 'latin1');
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function padding(size: number): Uint8Array {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}
