import fc from 'fast-check';
import { describe, onTestFinished, test } from 'vitest';
import type { LayerStore, UploadRange, UploadSink } from '../../functions/ports/layer-store.ts';
import { aFile, aLayer, aTar, sha256 } from '../doubles/tar-builder.ts';

/** One sink under test, and the layer store that it feeds. */
export interface UploadSinkUnderTest {
  readonly store: LayerStore & UploadSink;
  close(): Promise<void>;
}

type Open = () => Promise<UploadSinkUnderTest>;

const BODY = Array.from({ length: 4000 }, (_, i) => `${(i * 7919) % 9973}`).join(' ');
const LAYER = aLayer(aTar(aFile('usr/app/numbers.txt', BODY)), 'identity');
const { blob, declaration } = LAYER;
const { diffId, blobSize: total } = declaration;

/** What every receiving end of uploads does. `open` gives a fresh, empty store. */
export function uploadSinkContract(name: string, open: Open): void {
  describe(`UploadSink: ${name}`, () => {
    const begun = async () => {
      const { store, close } = await open();
      onTestFinished(close);
      await store.begin(declaration);
      return store;
    };
    receiving(begun);
    resuming(begun);
    refusing(begun);
    sessions(begun);
  });
}

type Begun = () => Promise<LayerStore & UploadSink>;

/** The range of bytes [first, end) and the body that goes with it, in pieces. */
function part(
  first: number,
  end: number,
  pieceBytes = 1000,
): [UploadRange, AsyncIterable<Uint8Array>] {
  return [
    { bytes: { first, last: end - 1 }, total },
    pieces(blob.subarray(first, end), pieceBytes),
  ];
}

async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A body that breaks after so many bytes, as a lost connection does. */
async function* broken(bytes: Uint8Array, after: number): AsyncGenerator<Uint8Array> {
  yield* pieces(bytes.subarray(0, after));
  throw new Error('connection reset');
}

const QUERY: UploadRange = { bytes: undefined, total };

async function isStored(store: LayerStore): Promise<boolean> {
  await store.complete(diffId);
  const [state] = await store.check([diffId]);
  return state?.state === 'verified' && state.layer.blobDigest === sha256(blob);
}

function receiving(begun: Begun): void {
  test('begin gives no address of its own: bytes come to this service', async ({ expect }) => {
    expect(await (await begun()).begin(declaration)).toEqual({ uploadUrl: null });
  });

  test('takes a blob in one go', async ({ expect }) => {
    const store = await begun();
    expect(await store.receive(diffId, ...part(0, total))).toEqual({ received: total });
    expect(await isStored(store)).toBe(true);
  });

  test('a status query tells how much has arrived', async ({ expect }) => {
    const store = await begun();
    expect(await store.receive(diffId, QUERY, pieces(blob))).toEqual({ received: 0 });
    await store.receive(diffId, ...part(0, 5000));
    expect(await store.receive(diffId, QUERY, pieces(blob))).toEqual({ received: 5000 });
  });

  test('skips bytes that are there already', async ({ expect }) => {
    const store = await begun();
    await store.receive(diffId, ...part(0, 5000));
    expect(await store.receive(diffId, ...part(0, 3000))).toEqual({ received: 5000 });
    expect(await store.receive(diffId, ...part(2500, 7001))).toEqual({ received: 7001 });
    await store.receive(diffId, ...part(0, total));
    expect(await isStored(store)).toBe(true);
  });

  test('keeps its own copy of the bytes', async ({ expect }) => {
    const store = await begun();
    const buffer = Buffer.alloc(997);
    async function* reused() {
      for (let at = 0; at < blob.length; at += buffer.length) {
        yield buffer.subarray(0, Buffer.from(blob).copy(buffer, 0, at));
      }
    }
    await store.receive(diffId, { bytes: { first: 0, last: total - 1 }, total }, reused());
    expect(await isStored(store)).toBe(true);
  });

  test('any overlapping parts in any sizes end in the same blob', async ({ expect }) => {
    const step = fc.record({
      back: fc.nat(6000),
      length: fc.integer({ min: 1, max: 9000 }),
      piece: fc.integer({ min: 1, max: 4000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const store = await begun();
        let { received } = await store.receive(diffId, QUERY, pieces(blob));
        for (const { back, length, piece } of steps) {
          const first = Math.max(0, Math.min(received, total - 1) - back);
          const end = Math.min(total, first + length);
          const expected = Math.max(received, end);
          ({ received } = await store.receive(diffId, ...part(first, end, piece)));
          expect(received).toBe(expected);
        }
        if (received < total) await store.receive(diffId, ...part(received, total));
        expect(await isStored(store)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });
}

function resuming(begun: Begun): void {
  test('a broken body keeps what arrived, and the upload goes on from there', async ({
    expect,
  }) => {
    const store = await begun();
    const whole: UploadRange = { bytes: { first: 0, last: total - 1 }, total };
    await expect(store.receive(diffId, whole, broken(blob, 7000))).rejects.toThrow('reset');
    expect(await store.receive(diffId, QUERY, pieces(blob))).toEqual({ received: 7000 });
    await store.begin(declaration);
    expect(await store.receive(diffId, ...part(7000, total))).toEqual({ received: total });
    expect(await isStored(store)).toBe(true);
  });

  test('two uploads of one layer at once both succeed', async ({ expect }) => {
    const store = await begun();
    await store.begin(declaration);
    const received = await Promise.all([
      store.receive(diffId, ...part(0, total, 700)),
      store.receive(diffId, ...part(0, total, 1300)),
    ]);
    expect(received).toEqual([{ received: total }, { received: total }]);
    expect(await Promise.all([isStored(store), isStored(store)])).toEqual([true, true]);
  });

  test('who is still sending when the other has completed is told that all is there', async ({
    expect,
  }) => {
    const store = await begun();
    const slow = Promise.withResolvers<void>();
    async function* slowly() {
      yield blob.subarray(0, 4000);
      await slow.promise;
      yield blob.subarray(4000);
    }
    const late = store.receive(diffId, { bytes: { first: 0, last: total - 1 }, total }, slowly());
    await store.receive(diffId, ...part(0, total));
    expect(await isStored(store)).toBe(true);
    slow.resolve();
    expect(await late).toEqual({ received: total });
    expect(await store.receive(diffId, QUERY, pieces(blob))).toEqual({ received: total });
    expect(await isStored(store)).toBe(true);
  });
}

function refusing(begun: Begun): void {
  test('a gap is a conflict', async ({ expect }) => {
    const store = await begun();
    await store.receive(diffId, ...part(0, 1000));
    await expect(store.receive(diffId, ...part(1001, 2000))).rejects.toMatchObject({
      code: 'UPLOAD_CONFLICT',
      context: { received: 1000 },
    });
  });

  test('another total than declared is a conflict', async ({ expect }) => {
    const store = await begun();
    const conflict = { code: 'UPLOAD_CONFLICT' };
    const range = { bytes: { first: 0, last: 9 }, total: total + 1 };
    await expect(store.receive(diffId, range, pieces(blob))).rejects.toMatchObject(conflict);
    const query = { bytes: undefined, total: total - 1 };
    await expect(store.receive(diffId, query, pieces(blob))).rejects.toMatchObject(conflict);
  });

  test.for([
    ['ends beyond the blob', { first: 0, last: total }],
    ['ends before it begins', { first: 5, last: 4 }],
    ['begins before the blob', { first: -1, last: 4 }],
    ['is no number', { first: Number.NaN, last: 4 }],
  ] as const)('a range that %s is refused', async ([, bytes], { expect }) => {
    const store = await begun();
    await expect(store.receive(diffId, { bytes, total }, pieces(blob))).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
    expect(await store.receive(diffId, QUERY, pieces(blob))).toEqual({ received: 0 });
  });

  test('a body longer than its range is refused, and nothing beyond the range kept', async ({
    expect,
  }) => {
    const store = await begun();
    const range = { bytes: { first: 0, last: 1499 }, total };
    await expect(store.receive(diffId, range, pieces(blob))).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
    const { received } = await store.receive(diffId, QUERY, pieces(blob));
    expect(received).toBeLessThanOrEqual(1500);
    await store.receive(diffId, ...part(received, total));
    expect(await isStored(store)).toBe(true);
  });

  test('a body shorter than its range is refused, and what arrived kept', async ({ expect }) => {
    const store = await begun();
    const range = { bytes: { first: 0, last: total - 1 }, total };
    await expect(
      store.receive(diffId, range, pieces(blob.subarray(0, 2000))),
    ).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    expect(await store.receive(diffId, QUERY, pieces(blob))).toEqual({ received: 2000 });
  });

  test('bytes of a layer that nobody began are refused', async ({ expect }) => {
    const store = await begun();
    const unknown = { code: 'UPLOAD_NOT_FOUND' };
    await expect(store.receive('e'.repeat(64), QUERY, pieces(blob))).rejects.toMatchObject(unknown);
    await expect(store.receive('../../etc/passwd', QUERY, pieces(blob))).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    });
  });
}

function sessions(begun: Begun): void {
  const other = aLayer(LAYER.tar, 'gzip');

  test('the same declaration finds the session again', async ({ expect }) => {
    const store = await begun();
    await store.receive(diffId, ...part(0, 3000));
    await store.begin({ ...declaration });
    expect(await store.receive(diffId, QUERY, pieces(blob))).toEqual({ received: 3000 });
  });

  test('another declaration replaces the session', async ({ expect }) => {
    const store = await begun();
    await store.receive(diffId, ...part(0, total));
    await store.begin(other.declaration);
    const size = other.blob.length;
    expect(size).toBeLessThan(total);
    const query = { bytes: undefined, total: size };
    expect(await store.receive(diffId, query, pieces(blob))).toEqual({ received: 0 });
    const range = { bytes: { first: 0, last: size - 1 }, total: size };
    await store.receive(diffId, range, pieces(other.blob));
    await store.complete(diffId);
    expect(await store.check([diffId])).toEqual([
      { state: 'verified', layer: { ...other.declaration, blobDigest: sha256(other.blob) } },
    ]);
  });

  test('who was sending into a replaced session gets a conflict', async ({ expect }) => {
    const store = await begun();
    const replaced = Promise.withResolvers<void>();
    const begunSending = Promise.withResolvers<void>();
    async function* body() {
      yield blob.subarray(0, 4000);
      begunSending.resolve();
      await replaced.promise;
      yield blob.subarray(4000);
    }
    const sending = store.receive(diffId, { bytes: { first: 0, last: total - 1 }, total }, body());
    const outcome = sending.catch((error: unknown) => error);
    await begunSending.promise;
    await store.begin(other.declaration);
    replaced.resolve();
    expect(await outcome).toMatchObject({ code: 'UPLOAD_CONFLICT' });
    const query = { bytes: undefined, total: other.blob.length };
    expect(await store.receive(diffId, query, pieces(blob))).toEqual({ received: 0 });
  });
}
