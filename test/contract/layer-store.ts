import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, type ExpectStatic, onTestFinished, test } from 'vitest';
import type { LayerDeclaration, LayerStore } from '../../functions/ports/layer-store.ts';
import { aFile, aLayer, aTar, type BuiltLayer, sha256, withBlob } from '../doubles/tar-builder.ts';
import { HONEST_ARCHIVES, HOSTILE_ARCHIVES } from './archives.ts';

/** Limits that a store under contract is opened with. */
export const CONTRACT_LIMITS = {
  maxBlobBytes: 8 * 1024 * 1024,
  maxUncompressedBytes: 16 * 1024 * 1024,
  maxEntries: 1000,
} as const;

/** One store under test. A host that verifies later does so in `finish`. */
export interface LayerStoreUnderTest {
  readonly layers: LayerStore;
  /** Sends a blob into the session that `begin` opened. */
  send(declaration: LayerDeclaration, blob: Uint8Array): Promise<void>;
  /** `complete`, and the verification that follows. Rejects as verification does. */
  finish(diffId: string): Promise<void>;
  /** Names of all that is staged, to see that nothing is left. */
  staged(): Promise<string[]>;
  close(): Promise<void>;
}

const HELLO = aTar(aFile('usr/app/hello.py', 'print("hello")\n'));

/** What every layer store does. `open` gives a fresh, empty one with CONTRACT_LIMITS. */
export function layerStoreContract(name: string, open: () => Promise<LayerStoreUnderTest>): void {
  describe(`LayerStore: ${name}`, () => {
    states(opened(open));
    reading(opened(open));
    lies(opened(open));
    archives(opened(open));
  });
}

type Open = () => Promise<LayerStoreUnderTest>;

function opened(open: Open): Open {
  return async () => {
    const store = await open();
    onTestFinished(() => store.close());
    return store;
  };
}

async function upload(store: LayerStoreUnderTest, layer: BuiltLayer): Promise<void> {
  await store.layers.begin(layer.declaration);
  await store.send(layer.declaration, layer.blob);
}

/** Uploads a bad layer and asserts all that a refusal means. */
async function expectRefusal(
  expect: ExpectStatic,
  store: LayerStoreUnderTest,
  { layer, says }: { readonly layer: BuiltLayer; readonly says: RegExp },
): Promise<void> {
  const { diffId } = layer.declaration;
  await upload(store, layer);
  const error: unknown = await store.finish(diffId).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'LAYER_INVALID', message: expect.stringMatching(says) });
  expect(await store.layers.check([diffId])).toEqual([
    { state: 'failed', reason: expect.stringMatching(says) },
  ]);
  expect(await store.staged()).toEqual([]);
  await expect(store.layers.open(diffId)).rejects.toMatchObject({ code: 'LAYER_MISSING' });
}

function states(open: Open): void {
  test('a layer goes from missing over complete to verified', async ({ expect }) => {
    const store = await open();
    const layer = aLayer(HELLO);
    const { declaration, blob } = layer;
    const { diffId } = declaration;
    const state = async () => (await store.layers.check([diffId]))[0]?.state;

    expect(await state()).toBe('missing');
    await store.layers.begin(declaration);
    expect(await state()).toBe('missing');
    await store.send(declaration, blob);
    expect(await state()).toBe('complete');
    await store.finish(diffId);
    expect(await store.layers.check([diffId])).toEqual([
      { state: 'verified', layer: { ...declaration, blobDigest: sha256(blob) } },
    ]);
    expect(await store.staged()).toEqual([]);
  });

  test('check answers in the order of the question', async ({ expect }) => {
    const store = await open();
    const layer = aLayer(HELLO);
    await upload(store, layer);
    await store.finish(layer.declaration.diffId);

    const asked = ['a'.repeat(64), layer.declaration.diffId, 'b'.repeat(64)];
    const states = (await store.layers.check(asked)).map(({ state }) => state);
    expect(states).toEqual(['missing', 'verified', 'missing']);
    expect(await store.layers.check([])).toEqual([]);
  });

  test('check refuses more than 500 layers and what is no sha256', async ({ expect }) => {
    const { layers } = await open();
    const many = Array.from({ length: 501 }, () => 'a'.repeat(64));
    await expect(layers.check(many)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    for (const diffId of ['', 'A'.repeat(64), '../etc', 'a'.repeat(63), `${'a'.repeat(64)}\n`]) {
      const refusal = { code: 'REQUEST_INVALID' };
      await expect(layers.check([diffId])).rejects.toMatchObject(refusal);
      await expect(layers.complete(diffId)).rejects.toMatchObject(refusal);
      await expect(layers.open(diffId)).rejects.toMatchObject(refusal);
      await expect(layers.readFile(diffId, 'a', 1)).rejects.toMatchObject(refusal);
      const declaration = { ...aLayer(HELLO).declaration, diffId };
      await expect(layers.begin(declaration)).rejects.toMatchObject(refusal);
    }
  });

  test('complete is idempotent', async ({ expect }) => {
    const store = await open();
    const layer = aLayer(HELLO);
    await upload(store, layer);
    const { diffId } = layer.declaration;
    await Promise.all([store.finish(diffId), store.finish(diffId)]);
    await store.finish(diffId);
    expect((await store.layers.check([diffId]))[0]?.state).toBe('verified');
  });

  test('complete refuses a layer that nobody sent', async ({ expect }) => {
    const { layers } = await open();
    await expect(layers.complete('c'.repeat(64))).rejects.toMatchObject({
      code: 'UPLOAD_NOT_FOUND',
    });
    const { declaration } = aLayer(HELLO);
    await layers.begin(declaration);
    await expect(layers.complete(declaration.diffId)).rejects.toMatchObject({
      code: 'UPLOAD_CONFLICT',
    });
  });

  test('a verified layer needs no session and keeps its first blob', async ({ expect }) => {
    const store = await open();
    const first = aLayer(HELLO, 'gzip');
    await upload(store, first);
    await store.finish(first.declaration.diffId);

    await store.layers.begin(aLayer(HELLO, 'zstd').declaration);
    expect(await store.layers.check([first.declaration.diffId])).toEqual([
      { state: 'verified', layer: { ...first.declaration, blobDigest: sha256(first.blob) } },
    ]);
    expect(await store.staged()).toEqual([]);
  });

  test('a declaration beyond the limits or without sense is refused', async ({ expect }) => {
    const { layers } = await open();
    const declare = (lies: Partial<LayerDeclaration>) =>
      layers.begin(aLayer(HELLO, 'gzip', lies).declaration);
    const { maxBlobBytes, maxUncompressedBytes } = CONTRACT_LIMITS;

    const tooLarge = { code: 'LIMIT_EXCEEDED' };
    await expect(declare({ blobSize: maxBlobBytes + 1 })).rejects.toMatchObject(tooLarge);
    await expect(declare({ uncompressedSize: maxUncompressedBytes + 1 })).rejects.toMatchObject(
      tooLarge,
    );
    for (const size of [0, -1, 1.5, Number.NaN]) {
      await expect(declare({ blobSize: size })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    }
    await declare({ blobSize: maxBlobBytes, uncompressedSize: maxUncompressedBytes });
  });

  test('a failed layer stays refused until a new upload begins, which may succeed', async ({
    expect,
  }) => {
    const store = await open();
    const good = aLayer(HELLO);
    const { diffId } = good.declaration;
    const bad = withBlob(HELLO, gzipSync(aTar(aFile('other'))), {});
    await expectRefusal(expect, store, { layer: bad, says: /Layer refused/ });
    await expect(store.layers.complete(diffId)).rejects.toMatchObject({ code: 'LAYER_INVALID' });

    await store.layers.begin(good.declaration);
    expect(await store.layers.check([diffId])).toEqual([{ state: 'missing' }]);
    await store.send(good.declaration, good.blob);
    await store.finish(diffId);
    expect((await store.layers.check([diffId]))[0]?.state).toBe('verified');
  });
}

function reading(open: Open): void {
  test.for(['gzip', 'zstd', 'identity'] as const)(
    'a %s blob reads back as its tar',
    async (encoding, { expect }) => {
      const store = await open();
      const layer = aLayer(HELLO, encoding);
      await upload(store, layer);
      const { diffId } = layer.declaration;
      await store.finish(diffId);
      for (let reads = 0; reads < 2; reads++) {
        const pieces: Uint8Array[] = [];
        for await (const piece of await store.layers.open(diffId)) pieces.push(piece);
        expect(Buffer.concat(pieces).equals(HELLO)).toBe(true);
      }
    },
  );

  test('readFile gives one file, bounded, or undefined', async ({ expect }) => {
    const store = await open();
    const content = 'x'.repeat(300_000);
    const layer = aLayer(aTar(aFile('a', '1'), aFile('d/big', content), aFile('empty')));
    await upload(store, layer);
    const { diffId } = layer.declaration;
    await store.finish(diffId);
    const text = async (path: string, maxBytes: number) => {
      const bytes = await store.layers.readFile(diffId, path, maxBytes);
      return bytes === undefined ? undefined : Buffer.from(bytes).toString();
    };

    expect(await text('d/big', 300_000)).toBe(content);
    expect(await text('empty', 0)).toBe('');
    expect(await text('d', 10)).toBeUndefined();
    expect(await text('none', 10)).toBeUndefined();
    await expect(text('d/big', 299_999)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('an absent layer cannot be read', async ({ expect }) => {
    const { layers } = await open();
    const missing = { code: 'LAYER_MISSING' };
    await expect(layers.open('d'.repeat(64))).rejects.toMatchObject(missing);
    await expect(layers.readFile('d'.repeat(64), 'a', 10)).rejects.toMatchObject(missing);
    await expect(layers.reverify('d'.repeat(64))).rejects.toMatchObject(missing);
  });

  test('a stored layer is found sound again, whatever its encoding', async ({ expect }) => {
    for (const encoding of ['identity', 'gzip', 'zstd'] as const) {
      const store = await open();
      const layer = aLayer(HELLO, encoding);
      await upload(store, layer);
      await store.finish(layer.declaration.diffId);
      expect(await store.layers.reverify(layer.declaration.diffId)).toBeNull();
    }
  });
}

function lies(open: Open): void {
  const tar = aTar(aFile('usr/app/data.txt', 'some data\n'.repeat(500)));
  const gzip = gzipSync(tar);
  const zstd = zstdCompressSync(tar);
  const junk = Buffer.from('trailing junk');
  const flipped = Buffer.from(tar);
  flipped[600] = 0x21;
  const cases: readonly [string, BuiltLayer, RegExp][] = [
    ['another digest', withBlob(tar, gzipSync(flipped), {}), /its tar has sha256/],
    ['a size too small', aLayer(tar, 'gzip', { uncompressedSize: tar.length - 1 }), /holds more/],
    [
      'a size too large',
      aLayer(tar, 'gzip', { uncompressedSize: tar.length + 1 }),
      /it holds \d+ bytes/,
    ],
    [
      'a size of one byte',
      aLayer(tar, 'identity', { uncompressedSize: 1 }),
      /holds more than the 1 /,
    ],
    ['gzip that is not', withBlob(tar, tar, { encoding: 'gzip' }), /not gzip/],
    ['gzip that is zstd', withBlob(tar, zstd, { encoding: 'gzip' }), /not gzip/],
    ['zstd that is gzip', withBlob(tar, gzip, { encoding: 'zstd' }), /not zstd/],
    ['identity that is gzip', withBlob(tar, gzip, { encoding: 'identity' }), /not a tar|whole tar/],
    ['a truncated gzip', withBlob(tar, gzip.subarray(0, -6), {}), /damaged, cut/],
    ['a truncated zstd', withBlob(tar, zstd.subarray(0, -6), { encoding: 'zstd' }), /cut/],
    ['junk behind gzip', withBlob(tar, Buffer.concat([gzip, junk]), {}), /damaged|behind its end/],
    [
      'zeros behind gzip',
      withBlob(tar, Buffer.concat([gzip, Buffer.alloc(64)]), {}),
      /behind its end/,
    ],
    [
      'junk behind zstd',
      withBlob(tar, Buffer.concat([zstd, junk]), { encoding: 'zstd' }),
      /damaged|behind/,
    ],
    ['a second gzip member', withBlob(tar, Buffer.concat([gzip, gzip]), {}), /holds more/],
  ];
  test.for(cases)('%s is refused', async ([, layer, says], { expect }) => {
    await expectRefusal(expect, await open(), { layer, says });
  });

  test('a gzip bomb is stopped at its declared size, in bounded memory', async ({ expect }) => {
    const store = await open();
    const blob = gzipOfZeros(4096);
    const layer = withBlob(HELLO, blob, { uncompressedSize: 1024 });
    const before = process.memoryUsage();
    const started = performance.now();
    await expectRefusal(expect, store, { layer, says: /more than the 1024 bytes/ });
    const grown = process.memoryUsage().rss - before.rss;
    expect(grown).toBeLessThan(200 * 1024 * 1024);
    expect(performance.now() - started).toBeLessThan(5000);
  });
}

function archives(open: Open): void {
  test.for(HONEST_ARCHIVES)('takes $name', async ({ tar, path, content }, { expect }) => {
    const store = await open();
    const layer = aLayer(tar);
    await upload(store, layer);
    const { diffId } = layer.declaration;
    await store.finish(diffId);
    const bytes = await store.layers.readFile(diffId, path, 1000);
    expect(bytes && Buffer.from(bytes).toString()).toBe(content);
  });

  test.for(HOSTILE_ARCHIVES)('refuses $name', async ({ tar, says }, { expect }) => {
    await expectRefusal(expect, await open(), { layer: aLayer(tar), says });
  });

  test('refuses more entries than the limit', async ({ expect }) => {
    const files = Array.from({ length: CONTRACT_LIMITS.maxEntries }, (_, i) => aFile(`f${i}`));
    const store = await open();
    const full = aLayer(aTar(...files));
    await upload(store, full);
    await store.finish(full.declaration.diffId);
    const layer = aLayer(aTar(...files, aFile('one-more')));
    await expectRefusal(expect, store, { layer, says: /more than 1000 entries/ });
  });
}

/** A gzip that inflates to so many MiB of zeros. */
function gzipOfZeros(mebibytes: number): Buffer {
  const member = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 });
  return Buffer.concat(Array.from({ length: mebibytes / 64 }, () => member));
}
