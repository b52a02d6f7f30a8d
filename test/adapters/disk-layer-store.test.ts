import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { openDiskLayerStore } from '../../functions/adapters/local/layers/disk-layer-store.ts';
import { CONTRACT_LIMITS, layerStoreContract } from '../contract/layer-store.ts';
import { uploadSinkContract } from '../contract/upload-sink.ts';
import { aTemporaryDirectory, filesBelow, inPieces, sendBlob } from '../doubles/layer-upload.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const START = Date.UTC(2026, 10, 1);
const LAYER = aLayer(aTar(aFile('usr/app/a.py', 'x = 1\n'.repeat(3000))), 'identity');
const { declaration, blob } = LAYER;
const { diffId, blobSize } = declaration;
const QUERY = { bytes: undefined, total: blobSize };

async function aStore(dir?: string, clock = { now: () => START }) {
  const root = dir ?? join(await aTemporaryDirectory(), 'layers');
  const store = await openDiskLayerStore({ dir: root, limits: CONTRACT_LIMITS, clock });
  return { dir: root, store };
}

layerStoreContract('disk', async () => {
  const { dir, store } = await aStore();
  return {
    layers: store,
    send: (promised, bytes) => sendBlob(store, { declaration: promised, blob: bytes }),
    async finish(id) {
      await store.complete(id);
    },
    staged: async () =>
      (await readdir(join(dir, 'staging'))).filter((name) => !name.endsWith('.failed.json')),
    close: async () => {},
  };
});

uploadSinkContract('disk', async () => ({ ...(await aStore()), close: async () => {} }));

describe('the layer directory', () => {
  test('holds a blob and its record under two hex digits, for the owner only', async ({
    expect,
  }) => {
    const { dir, store } = await aStore();
    await store.begin(declaration);
    await sendBlob(store, LAYER);
    await store.complete(diffId);
    const bucket = diffId.slice(0, 2);
    expect(await filesBelow(dir)).toEqual([`${bucket}/${diffId}`, `${bucket}/${diffId}.json`]);
    expect(await readFile(join(dir, bucket, diffId))).toEqual(Buffer.from(blob));
    const record = JSON.parse(await readFile(join(dir, bucket, `${diffId}.json`), 'utf8'));
    expect(record).toEqual({ schemaVersion: 1, ...declaration, blobDigest: diffId });
    for (const [path, mode] of [
      ['', 0o700],
      [bucket, 0o700],
      ['staging', 0o700],
      [`${bucket}/${diffId}`, 0o600],
    ] as const) {
      expect((await stat(join(dir, path))).mode & 0o777).toBe(mode);
    }
  });

  test('an upload and a verified layer outlive a restart', async ({ expect }) => {
    const { dir, store } = await aStore();
    await store.begin(declaration);
    const range = { bytes: { first: 0, last: 4999 }, total: blobSize };
    await store.receive(diffId, range, inPieces(blob.subarray(0, 5000), 999));

    const { store: second } = await aStore(dir);
    expect(await second.receive(diffId, QUERY, inPieces(blob, 1))).toEqual({ received: 5000 });
    const rest = { bytes: { first: 5000, last: blobSize - 1 }, total: blobSize };
    await second.receive(diffId, rest, inPieces(blob.subarray(5000), 999));

    const { store: third } = await aStore(dir);
    expect(await third.check([diffId])).toEqual([{ state: 'complete' }]);
    expect(await third.complete(diffId)).toBe('verified');
    const { store: fourth } = await aStore(dir);
    expect((await fourth.check([diffId]))[0]?.state).toBe('verified');
  });

  test('a refusal outlives a restart', async ({ expect }) => {
    const { dir, store } = await aStore();
    const bad = aLayer(aTar(aFile('/abs')));
    await store.begin(bad.declaration);
    await sendBlob(store, bad);
    const failure = { code: 'LAYER_INVALID', message: expect.stringContaining('absolute') };
    await expect(store.complete(bad.declaration.diffId)).rejects.toMatchObject(failure);
    const { store: second } = await aStore(dir);
    await expect(second.complete(bad.declaration.diffId)).rejects.toMatchObject(failure);
    expect(await second.check([bad.declaration.diffId])).toMatchObject([{ state: 'failed' }]);
  });

  test('damaged records count as absent, later versions are refused', async ({ expect }) => {
    const { dir, store } = await aStore();
    await store.begin(declaration);
    await sendBlob(store, LAYER);
    await store.complete(diffId);
    const record = join(dir, diffId.slice(0, 2), `${diffId}.json`);
    const text = await readFile(record, 'utf8');
    await writeFile(record, text.slice(0, 40));
    expect(await store.check([diffId])).toEqual([{ state: 'missing' }]);
    await writeFile(record, text.replace('"schemaVersion":1', '"schemaVersion":2'));
    await expect(store.check([diffId])).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
  });

  test('a blob cut by a broken disk is missing, and can be uploaded again', async ({ expect }) => {
    const { dir, store } = await aStore();
    await store.begin(declaration);
    await sendBlob(store, LAYER);
    await store.complete(diffId);
    await writeFile(join(dir, diffId.slice(0, 2), diffId), blob.subarray(0, 100));
    await expect(store.open(diffId)).rejects.toMatchObject({ code: 'LAYER_MISSING' });
    await store.begin(declaration);
    await sendBlob(store, LAYER);
    expect(await store.complete(diffId)).toBe('verified');
  });

  test('bytes are never written through a symbolic link in the staging directory', async ({
    expect,
  }) => {
    const { dir, store } = await aStore();
    await store.begin(declaration);
    const target = join(dir, 'precious');
    await writeFile(target, 'keep');
    await symlink(target, join(dir, 'staging', `${diffId}.part`));
    await expect(sendBlob(store, LAYER)).rejects.toThrow();
    expect(await readFile(target, 'utf8')).toBe('keep');
  });

  test('a directory that cannot be made is an error with a hint', async ({ expect }) => {
    const dir = await aTemporaryDirectory();
    await writeFile(join(dir, 'file'), '');
    await expect(aStore(join(dir, 'file', 'layers'))).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      hint: expect.stringContaining('--data_dir'),
    });
  });
});

describe('sweep', () => {
  test('removes what was begun more than 7 days ago, and nothing younger', async ({ expect }) => {
    let now = START;
    const { dir, store } = await aStore(undefined, { now: () => now });
    await store.begin(declaration);
    await sendBlob(store, LAYER);
    expect(await store.sweep(START + 7 * DAY_MS)).toBe(0);
    expect(await store.check([diffId])).toEqual([{ state: 'complete' }]);

    now = START + 5 * DAY_MS;
    await store.begin(declaration);
    expect(await store.sweep(START + 8 * DAY_MS)).toBe(0);
    expect(await store.sweep(now + 7 * DAY_MS + 1)).toBe(1);
    expect(await filesBelow(dir)).toEqual([]);
    await expect(store.receive(diffId, QUERY, inPieces(blob, 1))).rejects.toMatchObject({
      code: 'UPLOAD_NOT_FOUND',
    });
  });

  test('forgets old refusals, orphans and unfinished files; keeps verified layers', async ({
    expect,
  }) => {
    const { dir, store } = await aStore();
    await store.begin(declaration);
    await sendBlob(store, LAYER);
    await store.complete(diffId);
    const bad = aLayer(aTar(aFile('../x')));
    await store.begin(bad.declaration);
    await sendBlob(store, bad);
    await expect(store.complete(bad.declaration.diffId)).rejects.toThrow('..');
    const staging = join(dir, 'staging');
    await writeFile(join(staging, `${'a'.repeat(64)}.part`), 'orphan');
    await writeFile(join(staging, 'x.json.1.tmp'), 'half');
    await mkdir(join(staging, 'unrelated'));

    const later = Date.now() + 365 * DAY_MS;
    expect(await store.sweep(later)).toBe(1);
    expect(await readdir(staging)).toEqual(['unrelated']);
    expect((await store.check([diffId]))[0]?.state).toBe('verified');
  });
});

describe('a stored layer that changed on the disk', () => {
  test('is told, with what is wrong', async ({ expect }) => {
    const { dir, store } = await aStore();
    await store.begin(declaration);
    await sendBlob(store, LAYER);
    await store.complete(diffId);
    const path = join(dir, diffId.slice(0, 2), diffId);
    const flipped = Buffer.from(blob);
    flipped[600] = 0x21;
    await writeFile(path, flipped);
    expect(await store.reverify(diffId)).toMatch(/its tar has sha256/);
    await writeFile(path, blob);
    const record = await readFile(`${path}.json`, 'utf8');
    await writeFile(`${path}.json`, record.replace(/"blobDigest":"..../, '"blobDigest":"0000'));
    expect(await store.reverify(diffId)).toMatch(/its blob has sha256 .*, recorded is 0000/);
  });
});
