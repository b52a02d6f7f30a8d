import type { StoredLayer } from '../../../ports/layer-store.ts';
import { layerCodec } from '../../layers/layer-codec.ts';
import type { LayerDisk } from './layer-disk.ts';
import type { LayerPaths } from './layer-paths.ts';
import { LAYER_RECORD, parseRecord, printRecord } from './layer-records.ts';

/** The verified layers. */
export interface LayerShelf {
  find(diffId: string): Promise<StoredLayer | undefined>;
  /** Puts a verified staging file under its key. The caller has seen that the layer is not there yet. */
  publish(layer: StoredLayer): Promise<void>;
  /** The uncompressed tar. */
  tar(layer: StoredLayer): AsyncIterable<Uint8Array>;
}

/**
 * A layer is there when its record and its whole blob are. The record is written first, so that the blob's rename is
 * the one step that publishes: a crash before it leaves the staging file as it was, and a record that counts for nothing.
 */
export function createLayerShelf(disk: LayerDisk, paths: LayerPaths): LayerShelf {
  return {
    async find(diffId) {
      const layer = parseRecord(LAYER_RECORD, await disk.readText(paths.record(diffId)));
      if (layer?.diffId !== diffId) return undefined;
      const blob = await disk.stat(paths.blob(diffId));
      return blob?.size === layer.blobSize ? layer : undefined;
    },
    async publish(layer) {
      const { diffId } = layer;
      await disk.makeDirectory(paths.bucket(diffId));
      await disk.writeText(paths.record(diffId), printRecord({ ...layer }));
      await disk.move(paths.part(diffId), paths.blob(diffId));
    },
    tar: (layer) => layerCodec.decode(disk.read(paths.blob(layer.diffId)), layer.encoding),
  };
}
