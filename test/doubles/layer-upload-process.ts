import { openDiskLayerStore } from '../../functions/adapters/local/layers/disk-layer-store.ts';
import { MANY_LAYERS } from './many-layers.ts';

const MEBIBYTE = 1024 * 1024;

/** A program that publishes layers one after another, and says so after each, until it is killed. */
const limits = { maxBlobBytes: MEBIBYTE, maxUncompressedBytes: MEBIBYTE, maxEntries: 10 };
const store = await openDiskLayerStore({
  dir: process.argv[2] ?? '',
  limits,
  clock: { now: () => 0 },
});
for (const { declaration, blob } of MANY_LAYERS) {
  const { diffId, blobSize: total } = declaration;
  await store.begin(declaration);
  await store.receive(
    diffId,
    { bytes: { first: 0, last: total - 1 }, total },
    (async function* () {
      yield blob;
    })(),
  );
  await store.complete(diffId);
  process.stdout.write('.');
}
