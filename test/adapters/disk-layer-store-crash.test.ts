import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, type ExpectStatic, test } from 'vitest';
import {
  type DiskLayerStore,
  openDiskLayerStore,
} from '../../functions/adapters/local/layers/disk-layer-store.ts';
import { type LayerDisk, layerDisk } from '../../functions/adapters/local/layers/layer-disk.ts';
import { CONTRACT_LIMITS } from '../contract/layer-store.ts';
import { type Fault, faultyLayerDisk } from '../doubles/faulty-layer-disk.ts';
import { aTemporaryDirectory, inPieces, sendBlob } from '../doubles/layer-upload.ts';
import { MANY_LAYERS } from '../doubles/many-layers.ts';
import { aFile, aLayer, aTar, type BuiltLayer, sha256, withBlob } from '../doubles/tar-builder.ts';

const TAR = aTar(aFile('usr/app/a.py', 'x = 1\n'.repeat(2000)), aFile('usr/app/b.py', 'y'));
const GOOD = aLayer(TAR, 'identity');
const OTHER_ENCODING = aLayer(TAR, 'gzip');
/** Other bytes under the very declaration of GOOD. */
const BAD = withBlob(TAR, Buffer.from(TAR).fill('z', 600, 700), { encoding: 'identity' });
const PIECE_BYTES = 3000;

function openAt(dir: string, disk: LayerDisk = layerDisk): Promise<DiskLayerStore> {
  return openDiskLayerStore({ dir, limits: CONTRACT_LIMITS, clock: { now: () => 0 }, disk });
}

/** Everything that changes the disk: a session, its replacement, a refusal, a new try, a publication. */
async function live(store: DiskLayerStore): Promise<void> {
  await store.begin(OTHER_ENCODING.declaration);
  await sendBlob(store, OTHER_ENCODING, PIECE_BYTES);
  await store.begin(BAD.declaration);
  await sendBlob(store, BAD, PIECE_BYTES);
  await store.complete(BAD.declaration.diffId).catch(() => undefined);
  await store.begin(GOOD.declaration);
  await sendBlob(store, GOOD, PIECE_BYTES);
  await store.complete(GOOD.declaration.diffId);
}

/** What a client does after any failure. */
async function resume(store: DiskLayerStore, { declaration, blob }: BuiltLayer): Promise<void> {
  const { diffId, blobSize: total } = declaration;
  await store.begin(declaration);
  const query = { bytes: undefined, total };
  const { received } = await store.receive(diffId, query, inPieces(blob, 1));
  if (received < total) {
    const range = { bytes: { first: received, last: total - 1 }, total };
    await store.receive(diffId, range, inPieces(blob.subarray(received), PIECE_BYTES));
  }
  await store.complete(diffId);
}

/** Nothing half-published: a verified layer reads back exactly; anything else cannot be opened. */
async function expectSound(expect: ExpectStatic, store: DiskLayerStore): Promise<string> {
  const { diffId } = GOOD.declaration;
  const [layer] = await store.check([diffId]);
  if (layer?.state !== 'verified') {
    await expect(store.open(diffId)).rejects.toMatchObject({ code: 'LAYER_MISSING' });
    return layer?.state ?? '';
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of await store.open(diffId)) pieces.push(piece);
  expect(Buffer.concat(pieces).equals(TAR)).toBe(true);
  return 'verified';
}

async function expectHealed(expect: ExpectStatic, dir: string): Promise<void> {
  const store = await openAt(dir);
  const state = await expectSound(expect, store);
  try {
    await resume(store, GOOD);
  } catch (error) {
    // Died while the bad bytes went up: they are found out, and the next try starts anew.
    expect({ state, error }).toMatchObject({ error: { code: 'LAYER_INVALID' } });
    await resume(store, GOOD);
  }
  expect(await expectSound(expect, store)).toBe('verified');
  await store.sweep(0);
  const left = await readdir(join(dir, 'staging'));
  expect(left.filter((name) => !name.endsWith('.tmp'))).toEqual([]);
}

async function countSteps(): Promise<number> {
  const counted = faultyLayerDisk(layerDisk, { atStep: -1, kind: 'once' });
  await live(await openAt(join(await aTemporaryDirectory(), 'layers'), counted.disk));
  return counted.steps();
}

async function liveWith(
  fault: Fault,
): Promise<{ dir: string; outcome: unknown; store: DiskLayerStore | undefined }> {
  const dir = join(await aTemporaryDirectory(), 'layers');
  const { disk } = faultyLayerDisk(layerDisk, fault);
  let store: DiskLayerStore | undefined;
  try {
    store = await openAt(dir, disk);
    await live(store);
    return { dir, store, outcome: undefined };
  } catch (outcome) {
    return { dir, store, outcome };
  }
}

describe('a process that dies', () => {
  test('at any change of the disk leaves nothing half-published, and the upload can go on', async ({
    expect,
  }) => {
    const steps = await countSteps();
    expect(steps).toBeGreaterThan(20);
    for (let atStep = 0; atStep < steps; atStep++) {
      const { dir } = await liveWith({ atStep, kind: 'crash' });
      await expectHealed(expect, dir);
    }
  });

  test('by SIGKILL, at some moment, leaves nothing half-published', async ({ expect }) => {
    const program = fileURLToPath(new URL('../doubles/layer-upload-process.ts', import.meta.url));
    let published = 0;
    for (const layers of [1, 2, 3, 5, 8]) {
      const dir = join(await aTemporaryDirectory(), 'layers');
      await killedAfter(layers, [program, dir]);
      published += await soundLayers(expect, await openAt(dir));
    }
    expect(published).toBeGreaterThanOrEqual(1 + 2 + 3 + 5 + 8);
  });
});

/** Runs a program and kills it as soon as it has said so many characters. */
async function killedAfter(characters: number, argv: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = 0;
  child.stdout.on('data', (data: Buffer) => {
    seen += data.length;
    if (seen >= characters) child.kill('SIGKILL');
  });
  await once(child, 'close');
}

/** Reads every published layer of the killed program; returns how many there are. */
async function soundLayers(expect: ExpectStatic, store: DiskLayerStore): Promise<number> {
  const layers = MANY_LAYERS.map(({ declaration }) => declaration.diffId);
  const states = await store.check(layers);
  let published = 0;
  for (const [index, { state }] of states.entries()) {
    if (state !== 'verified') continue;
    const pieces: Uint8Array[] = [];
    for await (const piece of await store.open(layers[index] ?? '')) pieces.push(piece);
    expect(sha256(Buffer.concat(pieces))).toBe(layers[index]);
    published++;
  }
  return published;
}

describe('a full disk', () => {
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });

  test('at any change of the disk corrupts nothing, and the same process goes on afterwards', async ({
    expect,
  }) => {
    const steps = await countSteps();
    const opening = 1;
    for (let atStep = opening; atStep < steps; atStep++) {
      const { store, dir, outcome } = await liveWith({ atStep, kind: 'once', error: full });
      if (store === undefined) throw outcome;
      await expectSound(expect, store);
      await resume(store, GOOD).catch(() => store && resume(store, GOOD));
      expect(await expectSound(expect, store)).toBe('verified');
      expect(await expectSound(expect, await openAt(dir))).toBe('verified');
    }
  });

  test.skipIf(!existsSync('/dev/full'))(
    'is an error that says so, with a hint',
    async ({ expect }) => {
      const file = await layerDisk.openStaged('/dev/full');
      await expect(file.write(Buffer.from('x'), 0)).rejects.toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringMatching(/^The disk of \/dev is full \(.* free\)/),
        hint: expect.stringContaining('Free some space'),
      });
      await file.close().catch(() => undefined);
    },
  );
});
