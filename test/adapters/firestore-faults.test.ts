import { afterAll, beforeAll, describe, type TestContext, test, vi } from 'vitest';
import { fieldsOf } from '../../functions/adapters/gcp/firestore-documents.ts';
import { documentBytes } from '../../functions/adapters/gcp/firestore-size.ts';
import { createFirestoreStore } from '../../functions/adapters/gcp/firestore-store.ts';
import type { Cursor, Key } from '../../functions/ports/store.ts';
import { put } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';
import { type GrpcProxy, openGrpcProxy } from '../doubles/grpc-proxy.ts';
import {
  type FirestoreEmulator,
  freshProject,
  startFirestoreEmulator,
} from '../fixtures/firestore-emulator.ts';
import { hasPart } from '../fixtures/require.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const JOB: Key<'jobs'> = { collection: 'jobs', id: 'j1' };
const ABORTED = 10;
const UNAVAILABLE = 14;

describe.runIf(hasPart('emulators'))('the Firestore store', () => {
  const directory = temporaryDirectory();
  let emulator: FirestoreEmulator;

  beforeAll(async () => {
    emulator = await startFirestoreEmulator(directory.path);
  }, 60_000);

  afterAll(async () => {
    vi.unstubAllEnvs();
    await emulator.close();
    directory.remove();
  });

  // A store that has connected already, behind a proxy, and the calls from there on.
  async function opened({
    onTestFinished,
  }: TestContext): Promise<{ store: ReturnType<typeof createFirestoreStore>; proxy: GrpcProxy }> {
    const proxy = await openGrpcProxy(emulator.host);
    vi.stubEnv('FIRESTORE_EMULATOR_HOST', proxy.host);
    const store = createFirestoreStore({ projectId: freshProject(), databaseId: '(default)' });
    onTestFinished(async () => {
      await store.close();
      await proxy.close();
    });
    await store.get([JOB]);
    proxy.calls.length = 0;
    return { store, proxy };
  }

  const commitsOf = ({ calls }: GrpcProxy) => calls.filter((method) => method === 'Commit').length;

  // The first calls have these fates, the rest pass.
  function inTurn(
    proxy: GrpcProxy,
    method: string,
    fates: readonly ReturnType<GrpcProxy['fate']>[],
  ) {
    const left = [...fates];
    proxy.fate = (called) => (called === method ? (left.shift() ?? 'pass') : 'pass');
  }

  test('sends a commit once: a lost answer is an unknown outcome', async (t) => {
    const { store, proxy } = await opened(t);
    inTurn(proxy, 'Commit', ['lose']);
    const lost = store.commit([put(JOB, aDocument('jobs'), 'absent')]);
    await t.expect(lost).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect(commitsOf(proxy)).toBe(1);
    t.expect((await store.get([JOB]))[0]?.value).toEqual(aDocument('jobs'));
  });

  test('sends a commit once when Firestore is not available', async (t) => {
    const { store, proxy } = await opened(t);
    inTurn(proxy, 'Commit', [UNAVAILABLE]);
    const lost = store.commit([put(JOB, aDocument('jobs'))]);
    await t.expect(lost).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect(commitsOf(proxy)).toBe(1);
  });

  test('gives a commit up at its deadline', async (t) => {
    const { store, proxy } = await opened(t);
    inTurn(proxy, 'Commit', ['hold']);
    const startedAt = performance.now();
    const lost = store.commit([put(JOB, aDocument('jobs'))], 'now-or-never');
    await t.expect(lost).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect(performance.now() - startedAt).toBeGreaterThan(1_900);
    t.expect(commitsOf(proxy)).toBe(1);
  });

  test('knows its own write when something repeated the request', async (t) => {
    const { store, proxy } = await opened(t);
    inTurn(proxy, 'Commit', ['repeat', 'repeat']);
    await store.commit([put(JOB, aDocument('jobs'), 'absent')]);
    const [stored] = await store.get([JOB]);
    const expect = { version: stored?.version ?? '' };
    await store.commit([put(JOB, aDocument('jobs', { index: 7 }), expect)]);
    t.expect((await store.get([JOB]))[0]?.value.index).toBe(7);
  });

  test('waits for its turn, or not', async (t) => {
    const { store, proxy } = await opened(t);
    inTurn(proxy, 'Commit', [ABORTED, ABORTED, 'pass', ABORTED]);
    await store.commit([put(JOB, aDocument('jobs'))]);
    t.expect(commitsOf(proxy)).toBe(3);
    const busy = store.commit([put(JOB, aDocument('jobs', { index: 7 }))], 'now-or-never');
    await t.expect(busy).rejects.toMatchObject({ code: 'STORE_BUSY' });
    t.expect(commitsOf(proxy)).toBe(4);
    t.expect((await store.get([JOB]))[0]?.value.index).toBe(0);
  });

  test.for(['BatchGetDocuments', 'RunQuery', 'RunAggregationQuery'])(
    'repeats a lost %s',
    async (method, t) => {
      const { store, proxy } = await opened(t);
      await store.commit([put(JOB, aDocument('jobs'))]);
      inTurn(proxy, method, ['lose', UNAVAILABLE]);
      t.expect(await store.get([JOB])).toHaveLength(1);
      t.expect((await store.list('recentJobs', {}, { limit: 5 })).items).toHaveLength(1);
      t.expect(await store.count('recentJobs', {})).toBe(1);
      t.expect(proxy.calls.filter((called) => called === method)).toHaveLength(3);
    },
  );

  test('gives a read up that is never answered', { timeout: 60_000 }, async (t) => {
    const { store, proxy } = await opened(t);
    proxy.fate = () => UNAVAILABLE;
    const refused = store.count('recentJobs', {});
    await t.expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    proxy.fate = () => 'hold';
    await t.expect(store.get([JOB])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    // Nothing goes on after the deadline: the store can be closed.
    await store.close();
  });

  test('of 64 commits started together on one version exactly one wins', async (t) => {
    const { store } = await opened(t);
    await store.commit([put(JOB, aDocument('jobs'))]);
    for (let round = 0; round < 3; round++) {
      const version = (await store.get([JOB]))[0]?.version ?? '';
      const outcomes = await Promise.allSettled(
        // The same value: what differs is only who wrote it.
        Array.from({ length: 64 }, () => store.commit([put(JOB, aDocument('jobs'), { version })])),
      );
      const lost = outcomes.filter((each) => each.status === 'rejected');
      t.expect(lost).toHaveLength(63);
      for (const { reason } of lost)
        t.expect(reason).toMatchObject({ name: 'StaleVersion', keys: [JOB] });
    }
  });

  test('takes a document as large as one may be, and refuses a larger one before anything is sent', async (t) => {
    const { store, proxy } = await opened(t);
    const key: Key<'configs'> = { collection: 'configs', id: 's1' };
    const config = (length: number) => aDocument('configs', { text: 'x'.repeat(length) });
    const empty = { ...fieldsOf(key, config(0), 'c'.repeat(12)), stampedAt: 0 };
    const largest = 1_044_480 - documentBytes(key, empty);
    await store.commit([put(key, config(largest))]);
    t.expect((await store.get([key]))[0]?.value.text).toHaveLength(largest);
    const refused = store.commit([put(JOB, aDocument('jobs')), put(key, config(largest + 1))]);
    await t.expect(refused).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: t.expect.stringMatching(/configs\/s1.*1044481 bytes.*1044480/),
    });
    t.expect(commitsOf(proxy)).toBe(1);
  });

  test('refuses a commit that is larger than a request may be, before anything is sent', async (t) => {
    const { store, proxy } = await opened(t);
    const text = 'x'.repeat(900_000);
    const writes = Array.from({ length: 11 }, (_, i) =>
      put({ collection: 'configs', id: `s${i}` }, aDocument('configs', { text })),
    );
    // As many as the emulator takes: its own limit is 4 MiB.
    await store.commit(writes.slice(0, 4));
    const refused = store.commit(writes);
    await t.expect(refused).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    t.expect(commitsOf(proxy)).toBe(1);
  });

  test('a follower misses no change of those who write together', {
    timeout: 60_000,
  }, async (t) => {
    const { store } = await opened(t);
    const keys = Array.from(
      { length: 8 },
      (_, i): Key<'jobs'> => ({ collection: 'jobs', id: `j${i}` }),
    );
    const seen = new Map<string, number>();
    let after: Cursor | undefined;
    let last = 0;
    async function look(): Promise<number> {
      const page = { limit: 3, ...(after === undefined ? {} : { after }) };
      const { items } = await store.list('changedJobsOfGroup', { groupId: 'g1' }, page);
      for (const { key, value, changedAt } of items) {
        t.expect(changedAt).toBeGreaterThanOrEqual(last);
        last = changedAt;
        seen.set(key.id, value.index);
        after = { value: changedAt, id: key.id };
      }
      return items.length;
    }
    const writers = keys.map(async (key) => {
      for (let index = 1; index <= 20; index++)
        await store.commit([put(key, aDocument('jobs', { index }))]);
    });
    const written = Promise.all(writers);
    let isDone = false;
    const done = written.then(() => {
      isDone = true;
    });
    while (!isDone || (await look()) > 0) await look();
    await done;
    t.expect([...seen.values()]).toEqual(keys.map(() => 20));
  });
});
