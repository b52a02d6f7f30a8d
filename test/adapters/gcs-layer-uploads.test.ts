import { describe, test } from 'vitest';
import type { FaultHook, SeenRequest } from '../doubles/cloud-storage/faults.ts';
import { isChunk, onNth } from '../doubles/cloud-storage/faults.ts';
import { putRange, sendToSession } from '../doubles/gcs-upload.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { aLayerBucket, LAYER_BUCKET } from '../fixtures/gcs-layers.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const START = Date.UTC(2026, 10, 1);
const QUANTUM = 256 * 1024;
const TAR = aTar(aFile('usr/app/data', 'x'.repeat(3 * QUANTUM)));
const LAYER = aLayer(TAR, 'identity');
const { declaration, blob } = LAYER;
const { diffId, blobSize } = declaration;

const isRewrite = ({ path }: SeenRequest) => path.includes('/rewriteTo/');
const isDelete = ({ method }: SeenRequest) => method === 'DELETE';
const isDocument = ({ method, query }: SeenRequest) =>
  method === 'POST' && query['uploadType'] === 'multipart';

describe('begin', () => {
  test('finds a session again from another instance; bytes go on at the confirmed offset', async ({
    expect,
  }) => {
    const { control, instance, below } = await aLayerBucket();
    const { uploadUrl } = await instance().begin(declaration);
    const url = uploadUrl ?? '';
    control.setFault(onNth(1, isChunk, { cutAfterBytes: QUANTUM + 100 }));
    await expect(putRange(url, { first: 0, bytes: blob, total: blobSize })).rejects.toThrow();

    const again = instance();
    expect(await again.begin(declaration)).toEqual({ uploadUrl });
    expect(await again.check([diffId])).toEqual([{ state: 'missing' }]);
    const asked = await putRange(url, { first: 0, bytes: null, total: blobSize });
    expect(asked.headers.get('Range')).toBe(`bytes=0-${QUANTUM - 1}`);
    await putRange(url, { first: QUANTUM, bytes: blob.subarray(QUANTUM), total: blobSize });
    expect(await again.begin(declaration)).toEqual({ uploadUrl: null });
    expect(await again.complete(diffId)).toBe('complete');
    await again.verify(diffId);
    expect([below('staging'), below('sessions')]).toEqual([[], []]);
  });

  test('of two instances at once gives one session', async ({ expect }) => {
    const { instance } = await aLayerBucket();
    const [one, two] = [instance(), instance()];
    const [first, second] = await Promise.all([one.begin(declaration), two.begin(declaration)]);
    expect(first.uploadUrl).toMatch(/^http/);
    expect(second).toEqual(first);
  });

  test('outlives the lost reply of its document', async ({ expect }) => {
    const { control, instance } = await aLayerBucket();
    control.setFault(onNth(1, isDocument, { loseReply: true }));
    const { uploadUrl } = await instance().begin(declaration);
    expect(await instance().begin(declaration)).toEqual({ uploadUrl });
  });

  test('with another declaration replaces a session whose bytes are not all there', async ({
    expect,
  }) => {
    const { control, instance, below } = await aLayerBucket();
    const store = instance();
    const { uploadUrl } = await store.begin(declaration);
    control.setFault(onNth(1, isChunk, { cutAfterBytes: QUANTUM + 100 }));
    const sent = putRange(uploadUrl ?? '', { first: 0, bytes: blob, total: blobSize });
    await expect(sent).rejects.toThrow();

    const other = aLayer(TAR, 'zstd');
    const next = await instance().begin(other.declaration);
    expect(next.uploadUrl).toMatch(/^http/);
    expect(next.uploadUrl).not.toBe(uploadUrl);
    expect(below('staging')).toEqual([]);
    expect(await store.check([diffId])).toEqual([{ state: 'missing' }]);
    await expect(store.verify(diffId)).rejects.toMatchObject({ code: 'UPLOAD_CONFLICT' });
    await sendToSession(store, other.declaration, other.blob);
    await store.verify(diffId);
    expect(await store.check([diffId])).toMatchObject([{ layer: { encoding: 'zstd' } }]);
  });

  test('with another declaration keeps a complete upload, which somebody may wait for', async ({
    expect,
  }) => {
    const { instance, below } = await aLayerBucket();
    const store = instance();
    await sendToSession(store, declaration, blob);
    expect(await store.complete(diffId)).toBe('complete');
    const staged = below('staging');

    const other = aLayer(TAR, 'zstd');
    expect(await instance().begin(other.declaration)).toEqual({ uploadUrl: null });
    expect(below('staging')).toEqual(staged);
    expect(await store.check([diffId])).toEqual([{ state: 'complete' }]);
    expect(await instance().complete(diffId)).toBe('complete');
    await store.verify(diffId);
    expect(await store.check([diffId])).toMatchObject([{ layer: declaration }]);
  });

  test('replaces a complete upload that was refused, or ends soon', async ({ expect }) => {
    const { instance, below } = await aLayerBucket();
    const bad = aLayer(TAR, 'identity', { uncompressedSize: 1024 });
    await sendToSession(instance(), bad.declaration, bad.blob);
    await expect(instance().verify(diffId)).rejects.toMatchObject({ code: 'LAYER_INVALID' });
    await sendToSession(instance(), declaration, blob);
    const late = instance(() => Date.now() + 6.5 * DAY_MS);
    expect((await late.begin(declaration)).uploadUrl).toMatch(/^http/);
    expect(below('staging')).toEqual([]);
  });

  test('bytes that arrive in a replaced session change nothing', async ({ expect }) => {
    const { instance } = await aLayerBucket();
    const store = instance();
    const { uploadUrl } = await store.begin(declaration);
    const other = aLayer(TAR, 'gzip');
    await store.begin(other.declaration);
    await putRange(uploadUrl ?? '', { first: 0, bytes: blob, total: blobSize });
    expect(await store.check([diffId])).toEqual([{ state: 'missing' }]);
    await expect(store.complete(diffId)).rejects.toMatchObject({ code: 'UPLOAD_CONFLICT' });
  });

  test('opens another session when the bucket forgot one, or it ends soon', async ({ expect }) => {
    const { control, instance } = await aLayerBucket();
    let now = START;
    const store = instance(() => now);
    const first = await store.begin(declaration);
    control.expireSessions();
    const second = await store.begin(declaration);
    expect(second).not.toEqual(first);
    now += 5 * DAY_MS;
    expect(await store.begin(declaration)).toEqual(second);
    now += 2 * DAY_MS;
    expect(await store.begin(declaration)).not.toEqual(second);
  });

  test('in a bucket that is not there says what to check', async ({ expect }) => {
    const { instance } = await aLayerBucket();
    await expect(instance(undefined, 'none-such').begin(declaration)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      hint: expect.stringContaining('service account'),
    });
  });

  test('waits out a bucket that is busy', async ({ expect }) => {
    const { control, instance } = await aLayerBucket();
    control.setFault(onNth(1, isDocument, { status: 503 }));
    const store = instance();
    await sendToSession(store, declaration, blob);
    control.setFault(onNth(1, ({ query }) => query['alt'] === 'media', { status: 429 }));
    await store.verify(diffId);
    expect(await store.check([diffId])).toMatchObject([{ state: 'verified' }]);
  });
});

describe('verify', () => {
  test('by two instances at once publishes once', async ({ expect }) => {
    const { control, instance, below } = await aLayerBucket();
    await sendToSession(instance(), declaration, blob);
    await Promise.all([instance().verify(diffId), instance().verify(diffId)]);
    expect([below('staging'), below('sessions')]).toEqual([[], []]);
    expect(control.object(LAYER_BUCKET, `layers/${diffId}`)?.bytes.equals(blob)).toBe(true);
  });

  test('outlives the lost reply of the publication', async ({ expect }) => {
    const { control, instance, below } = await aLayerBucket();
    await sendToSession(instance(), declaration, blob);
    control.setFault(onNth(1, isRewrite, { loseReply: true }));
    await instance().verify(diffId);
    expect(await instance().check([diffId])).toMatchObject([{ state: 'verified' }]);
    expect([below('staging'), below('sessions')]).toEqual([[], []]);
  });

  test('publishes no other bytes than those it read', async ({ expect }) => {
    const { control, instance, below } = await aLayerBucket();
    await sendToSession(instance(), declaration, blob);
    const [staged = ''] = below('staging');
    const others = Buffer.alloc(blobSize, 'y');
    const settings = control.object(LAYER_BUCKET, staged)?.settings ?? {};
    let rewrites = 0;
    control.setFault((request) => {
      if (isRewrite(request) && ++rewrites === 1) {
        control.put(LAYER_BUCKET, staged, { bytes: others, settings });
      }
      return undefined;
    });
    // The second round reads what is there now.
    await expect(instance().verify(diffId)).rejects.toMatchObject({ code: 'LAYER_INVALID' });
    expect(rewrites).toBe(1);
    expect(below('layers')).toEqual([]);
    expect(await instance().check([diffId])).toMatchObject([{ state: 'failed' }]);
  });

  test('tidies up what a crash after the publication left', async ({ expect }) => {
    const { control, instance, below } = await aLayerBucket();
    await sendToSession(instance(), declaration, blob);
    control.setFault((request) => (isDelete(request) ? { status: 404 } : undefined));
    await instance().verify(diffId);
    expect([below('staging').length, below('sessions').length]).toEqual([1, 1]);
    control.setFault(undefined);
    const store = instance();
    expect(await store.check([diffId])).toMatchObject([{ state: 'verified' }]);
    expect(await store.complete(diffId)).toBe('verified');
    await store.verify(diffId);
    expect([below('staging'), below('sessions')]).toEqual([[], []]);
  });

  test('may crash at any request, and the crashed one may wake up late', async ({ expect }) => {
    for (let crashAt = 1; ; crashAt++) {
      const { control, instance, below } = await aLayerBucket();
      await sendToSession(instance(), declaration, blob);
      const { promise, resolve } = Promise.withResolvers<void>();
      const crashed = hangAt(crashAt, promise);
      control.setFault(crashed.hook);
      const zombie = instance().verify(diffId);
      if ((await Promise.race([zombie.then(() => 'done'), crashed.reached])) === 'done') {
        expect(crashAt).toBeGreaterThan(8);
        return;
      }
      control.setFault(undefined);
      await instance().verify(diffId);
      expect(await instance().check([diffId])).toMatchObject([{ state: 'verified' }]);
      resolve();
      await zombie;
      expect(control.names(LAYER_BUCKET)).toEqual([`layers/${diffId}`]);
      expect(below('staging')).toEqual([]);
    }
  });

  test('of a bad layer may crash at any request', async ({ expect }) => {
    const bad = aLayer(aTar(aFile('/abs')));
    const id = bad.declaration.diffId;
    const refusal = { code: 'LAYER_INVALID', message: expect.stringContaining('absolute') };
    for (let crashAt = 1; ; crashAt++) {
      const { control, instance, below } = await aLayerBucket();
      await sendToSession(instance(), bad.declaration, bad.blob);
      const { promise, resolve } = Promise.withResolvers<void>();
      const crashed = hangAt(crashAt, promise);
      control.setFault(crashed.hook);
      const zombie = expect(instance().verify(id)).rejects.toMatchObject(refusal);
      if ((await Promise.race([zombie.then(() => 'done'), crashed.reached])) === 'done') {
        expect(crashAt).toBeGreaterThan(6);
        return;
      }
      control.setFault(undefined);
      await expect(instance().verify(id)).rejects.toMatchObject(refusal);
      expect(await instance().check([id])).toMatchObject([{ state: 'failed' }]);
      resolve();
      await zombie;
      expect(below('staging')).toEqual([]);
    }
  });

  test('after the bytes vanished asks for a new upload', async ({ expect }) => {
    const { control, instance, below } = await aLayerBucket();
    const store = instance();
    const { uploadUrl } = await store.begin(declaration);
    await sendToSession(store, declaration, blob);
    control.remove(LAYER_BUCKET, below('staging')[0] ?? '');
    await expect(store.verify(diffId)).rejects.toMatchObject({ code: 'UPLOAD_CONFLICT' });
    await expect(store.complete(diffId)).rejects.toMatchObject({ code: 'UPLOAD_CONFLICT' });
    expect((await store.begin(declaration)).uploadUrl).not.toBe(uploadUrl);
    await sendToSession(store, declaration, blob);
    await store.verify(diffId);
    expect(await store.check([diffId])).toMatchObject([{ state: 'verified' }]);
  });

  test('reads no byte of an upload that is larger than declared', async ({ expect }) => {
    const { control, instance } = await aLayerBucket();
    const store = instance();
    const { uploadUrl } = await store.begin(declaration);
    const large = Buffer.concat([blob, Buffer.alloc(10 * QUANTUM)]);
    await putRange(uploadUrl ?? '', { first: 0, bytes: large, total: large.length });
    await expect(store.complete(diffId)).rejects.toMatchObject({ code: 'UPLOAD_CONFLICT' });
    await expect(store.verify(diffId)).rejects.toMatchObject({
      code: 'LAYER_INVALID',
      message: expect.stringContaining(`${blobSize} bytes were declared, ${large.length} arrived`),
    });
    const read = control.requests.filter(
      ({ path, query }) => path.includes('staging') && query['alt'] === 'media',
    );
    expect(read).toEqual([]);
    expect(await store.check([diffId])).toMatchObject([{ state: 'failed' }]);
  });

  test('that refuses a session which was replaced meanwhile does not refuse the new one', async ({
    expect,
  }) => {
    const { control, instance } = await aLayerBucket();
    const bad = aLayer(TAR, 'identity', { uncompressedSize: 1024 });
    await sendToSession(instance(), bad.declaration, bad.blob);
    const { promise, resolve } = Promise.withResolvers<void>();
    control.setFault(onNth(1, isDocument, { until: promise }));
    const slow = expect(instance().verify(diffId)).rejects.toMatchObject({
      code: 'UPLOAD_CONFLICT',
    });
    await expect.poll(() => control.requests.filter(isDocument).length).toBe(2);
    control.setFault(undefined);
    // Old enough to be replaced.
    await sendToSession(
      instance(() => Date.now() + 6.5 * DAY_MS),
      declaration,
      blob,
    );
    resolve();
    await slow;
    await instance().verify(diffId);
    expect(await instance().check([diffId])).toMatchObject([{ state: 'verified' }]);
  });
});

/** Lets the n-th request of all wait for `until`; `reached` resolves when it has come. */
function hangAt(n: number, until: Promise<void>) {
  const { promise: reached, resolve } = Promise.withResolvers<'hangs'>();
  let seen = 0;
  const hook: FaultHook = () => {
    if (++seen !== n) return undefined;
    resolve('hangs');
    return { until };
  };
  return { hook, reached };
}
