import { describe, onTestFinished, test } from 'vitest';
import { createGcsObjects } from '../../functions/adapters/gcp/gcs-objects.ts';
import { startCloudStorage } from '../doubles/cloud-storage/cloud-storage.ts';
import { sendToSession } from '../doubles/gcs-upload.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { startFakeGcs } from '../fixtures/fake-gcs.ts';
import { aLayerBucket, LAYER_BUCKET } from '../fixtures/gcs-layers.ts';
import { hasPart } from '../fixtures/require.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const START = Date.UTC(2026, 10, 1);
const LAYER = aLayer(aTar(aFile('usr/app/a.py', 'x = 1\n'.repeat(300))), 'gzip');
const { declaration, blob } = LAYER;
const { diffId } = declaration;
const NAME = `layers/${diffId}`;

async function aVerifiedLayer() {
  const bucket = await aLayerBucket();
  const store = bucket.instance();
  await sendToSession(store, declaration, blob);
  await store.verify(diffId);
  const object = bucket.control.object(LAYER_BUCKET, NAME);
  return { ...bucket, store, settings: object?.settings ?? {} };
}

describe('sweep', () => {
  test('removes uploads that were opened more than 7 days ago, nothing younger, no layer', async ({
    expect,
  }) => {
    const { instance, below } = await aLayerBucket();
    let now = START;
    const store = instance(() => now);
    await sendToSession(store, declaration, blob);
    const bad = aLayer(aTar(aFile('../x')));
    await sendToSession(store, bad.declaration, bad.blob);
    await expect(store.verify(bad.declaration.diffId)).rejects.toThrow('..');
    const kept = aLayer(aTar(aFile('kept')));
    await sendToSession(store, kept.declaration, kept.blob);
    await store.verify(kept.declaration.diffId);
    now += 3 * DAY_MS;
    const young = aLayer(aTar(aFile('young')));
    await store.begin(young.declaration);

    expect(await store.sweep(START + 7 * DAY_MS)).toBe(0);
    expect(await store.check([diffId])).toEqual([{ state: 'complete' }]);
    expect(await store.sweep(START + 7 * DAY_MS + 1)).toBe(2);
    expect(below('staging')).toEqual([]);
    expect(below('sessions')).toEqual([`sessions/${young.declaration.diffId}.json`]);
    const ids = [diffId, bad.declaration.diffId, kept.declaration.diffId];
    const states = (await store.check(ids)).map(({ state }) => state);
    expect(states).toEqual(['missing', 'missing', 'verified']);
  });

  test('removes at most 500 objects a call', async ({ expect }) => {
    const { control, instance, below } = await aLayerBucket({ now: () => START });
    for (let i = 0; i < 600; i++) {
      control.put(LAYER_BUCKET, `staging/${i}/orphan`, { bytes: Buffer.from('x') });
    }
    expect(await instance().sweep(START + 8 * DAY_MS)).toBe(500);
    expect(await instance().sweep(START + 8 * DAY_MS)).toBe(100);
    expect(below('staging')).toEqual([]);
  });
});

describe('check', () => {
  test('of 500 layers takes one read for each published one, three for a missing one', async ({
    expect,
  }) => {
    const { control, store } = await aVerifiedLayer();
    const missing = Array.from({ length: 499 }, (_, i) => String(i).padStart(64, '0'));
    const before = control.requests.length;
    const states = await store.check([diffId, ...missing]);
    expect(states.filter(({ state }) => state === 'missing')).toHaveLength(499);
    expect(states[0]).toEqual({
      state: 'verified',
      layer: { ...declaration, blobDigest: expect.any(String) },
    });
    expect(control.requests.length - before).toBe(1 + 3 * 499);
  });
});

describe('a published layer', () => {
  test('that changed in the bucket is told, with what is wrong', async ({ expect }) => {
    const { control, store, settings } = await aVerifiedLayer();
    const other = aLayer(aTar(aFile('other')));
    control.put(LAYER_BUCKET, NAME, { bytes: Buffer.from(other.blob), settings });
    expect(await store.reverify(diffId)).toMatch(/Layer refused/);
    const metadata = { ...settings.metadata, 'caliban-blob-digest': '0'.repeat(64) };
    control.put(LAYER_BUCKET, NAME, { bytes: blob, settings: { ...settings, metadata } });
    expect(await store.reverify(diffId)).toMatch(/its blob has sha256 .*, recorded is 0000/);
  });

  test('without its metadata counts as missing, and is replaced by the next upload', async ({
    expect,
  }) => {
    const { control, store } = await aVerifiedLayer();
    control.put(LAYER_BUCKET, NAME, { bytes: blob });
    expect(await store.check([diffId])).toEqual([{ state: 'missing' }]);
    await sendToSession(store, declaration, blob);
    await store.verify(diffId);
    expect(await store.check([diffId])).toMatchObject([{ state: 'verified' }]);
    expect(control.names(LAYER_BUCKET)).toEqual([NAME]);
  });

  test('of a later version is refused', async ({ expect }) => {
    const { control, store, settings } = await aVerifiedLayer();
    const metadata = { ...settings.metadata, 'caliban-schema-version': '2' };
    control.put(LAYER_BUCKET, NAME, { bytes: blob, settings: { ...settings, metadata } });
    await expect(store.check([diffId])).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
    await expect(store.open(diffId)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
  });

  test('gives its blob as stored', async ({ expect }) => {
    const { store } = await aVerifiedLayer();
    const { layer, bytes } = await store.readBlob(diffId);
    expect(layer).toMatchObject(declaration);
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(blob)).toBe(true);
    await expect(store.readBlob('a'.repeat(64))).rejects.toMatchObject({ code: 'LAYER_MISSING' });
  });

  test('that breaks off while it is read is unavailable, not damaged', async ({ expect }) => {
    const { control, store } = await aVerifiedLayer();
    control.setFault(({ query }) => (query['alt'] === 'media' ? { loseReply: true } : undefined));
    await expect(store.reverify(diffId)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

const BUCKET = 'caliban-builds';

function objects(name: string, open: () => Promise<string>) {
  describe(`plain objects: ${name}`, () => {
    test('are written once; a second writer gets the generation that is there', async ({
      expect,
    }) => {
      const store = createGcsObjects({ projectId: 'test', endpoint: await open() });
      const content = { bytes: Buffer.from('one'), contentType: 'text/plain' };
      const first = await store.put(BUCKET, 'a/b c', content);
      expect(first.generation).toMatch(/^\d+$/);
      const bytes = Buffer.from('two');
      expect(await store.put(BUCKET, 'a/b c', { ...content, bytes })).toEqual(first);
      const range = { offset: 0, maxBytes: 100 };
      const read = await store.readRange(BUCKET, 'a/b c', range);
      expect([Buffer.from(read?.bytes ?? []).toString(), read?.size]).toEqual(['one', 3]);
    });

    test('are read in ranges, from where a log was left', async ({ expect }) => {
      const store = createGcsObjects({ projectId: 'test', endpoint: await open() });
      const content = { bytes: Buffer.from('0123456789'), contentType: 'text/plain' };
      await store.put(BUCKET, 'log', content);
      const read = async (offset: number, maxBytes: number) => {
        const found = await store.readRange(BUCKET, 'log', { offset, maxBytes });
        return [Buffer.from(found?.bytes ?? []).toString(), found?.size];
      };
      expect(await read(0, 4)).toEqual(['0123', 10]);
      expect(await read(8, 100)).toEqual(['89', 10]);
      expect(await read(10, 100)).toEqual(['', 10]);
      const none = await store.readRange(BUCKET, 'none', { offset: 0, maxBytes: 1 });
      expect(none).toBeUndefined();
      await store.put(BUCKET, 'empty', { ...content, bytes: Buffer.alloc(0) });
      const empty = await store.readRange(BUCKET, 'empty', { offset: 0, maxBytes: 1 });
      expect(empty).toEqual({ bytes: Buffer.alloc(0), size: 0 });
    });
  });
}

objects('Cloud Storage double', async () => {
  const { url, close } = await startCloudStorage({ buckets: [BUCKET] });
  onTestFinished(close);
  return url;
});

describe.runIf(hasPart('tools'))('an independent Cloud Storage', () => {
  objects('fake-gcs-server', async () => {
    const gcs = await startFakeGcs();
    onTestFinished(gcs.close);
    await gcs.makeBucket(BUCKET);
    return gcs.url;
  });
});
