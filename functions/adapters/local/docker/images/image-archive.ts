import { AppError } from '../../../../../shared/errors/app-error.ts';
import { TAR_BLOCK, tarPadding } from '../../../../../shared/layers/tar-header.ts';
import type { PlannedImage } from '../../../images/run-image.ts';
import type { SentLayer } from '../../../images/sent-layer.ts';
import { tarHeader } from '../../../images/tar-header.ts';

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
  yield Buffer.alloc(2 * TAR_BLOCK);
}

function layerName(diffId: string): string {
  return `${diffId}.tar`;
}

function* textEntry(name: string, text: string): Generator<Uint8Array, void> {
  const content = Buffer.from(text);
  yield fileHeader(name, content.length);
  yield content;
  yield Buffer.alloc(tarPadding(content.length));
}

async function* layerEntry({ diffId, size, open }: SentLayer): AsyncGenerator<Uint8Array, void> {
  const tar = await open();
  yield fileHeader(layerName(diffId), size);
  let sent = 0;
  for await (const chunk of tar) {
    sent += chunk.length;
    yield chunk;
  }
  if (sent !== size) {
    throw new AppError('INTERNAL', `Layer ${diffId} has ${sent} bytes instead of ${size}.`);
  }
  yield Buffer.alloc(tarPadding(size));
}

function fileHeader(name: string, size: number): Uint8Array {
  return tarHeader({ name, size, kind: 'file', mode: '644', owner: 0 });
}
