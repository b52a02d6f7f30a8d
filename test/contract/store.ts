import { describe, type TestContext, test } from 'vitest';
import type { Clock } from '../../functions/ports/runtime.ts';
import {
  type Key,
  put,
  StaleVersion,
  type Store,
  type Stored,
} from '../../functions/ports/store.ts';
import { aDocument } from './store-documents.ts';
import { storeQueriesContract } from './store-queries.ts';
import { createTestClock } from './test-clock.ts';

/** A store under test, empty. */
export interface OpenedStore {
  readonly store: Store;
  close(): Promise<void>;
}

/** Opens an empty store; one that takes its time from elsewhere may leave the clock alone. */
export type OpenStore = (clock: Clock) => Promise<OpenedStore>;

const JOB: Key<'jobs'> = { collection: 'jobs', id: 'j1' };
const OTHER: Key<'jobs'> = { collection: 'jobs', id: 'j2' };
const PAGE = { limit: 100 };

/** What every Store must do, as tests: `storeContract('memory', async (clock) => ({ store, close }))`. */
export function storeContract(name: string, open: OpenStore): void {
  const opened = async ({ onTestFinished }: Pick<TestContext, 'onTestFinished'>) => {
    const clock = createTestClock();
    const { store, close } = await open(clock);
    onTestFinished(close);
    return { store, clock };
  };

  describe(`Store: ${name}`, () => {
    describe('reading', () => {
      test('documents come in the order of the keys, undefined where there is none', async (t) => {
        const { store } = await opened(t);
        const lane: Key<'lanes'> = { collection: 'lanes', id: 'j1' };
        await store.commit([
          put(JOB, aDocument('jobs', { index: 1 })),
          put(OTHER, aDocument('jobs', { index: 2 })),
          put(lane, aDocument('lanes')),
        ]);
        const missing: Key<'jobs'> = { collection: 'jobs', id: 'j3' };
        const found = await store.get([OTHER, missing, JOB, OTHER]);
        t.expect(found.map((one) => one?.value.index)).toEqual([2, undefined, 1, 2]);
        t.expect(found[0]?.key).toEqual(OTHER);
        const mixed: Key[] = [lane, JOB];
        const both = await store.get(mixed);
        t.expect(both.map((one) => one?.key)).toEqual(mixed);
        t.expect(await store.get([])).toEqual([]);
      });

      test('what was put is read back, whatever its text', async (t) => {
        const { store } = await opened(t);
        for (const text of TEXTS) {
          const value = aDocument('jobs', { ref: text, flags: ['--name', text], groupId: text });
          await store.commit([put(JOB, value)]);
          t.expect((await read(store, JOB)).value).toEqual(value);
          t.expect(await store.count('jobsOfGroup', { groupId: text })).toBe(1);
          t.expect(await store.count('jobsOfGroup', { groupId: `${text}x` })).toBe(0);
        }
      });

      test('a document of 1 MB is read back', async (t) => {
        const { store } = await opened(t);
        const key: Key<'configs'> = { collection: 'configs', id: 's1' };
        const value = aDocument('configs', { text: 'ä😀"\n0123'.repeat(70_000).slice(0, 500_000) });
        await store.commit([put(key, value)]);
        t.expect((await read(store, key)).value).toEqual(value);
      });

      test('a document of a newer schema is refused', async (t) => {
        const { store } = await opened(t);
        await store.commit([put(JOB, aDocument('jobs', { schemaVersion: 2 }))]);
        const refused = { code: 'SCHEMA_TOO_NEW', message: t.expect.stringContaining('jobs/j1') };
        await t.expect(store.get([OTHER, JOB])).rejects.toMatchObject(refused);
        await t.expect(store.list('recentJobs', {}, PAGE)).rejects.toMatchObject(refused);
        t.expect(await store.get([OTHER])).toEqual([undefined]);
      });

      test('changing what was written or read changes nothing stored', async (t) => {
        const { store } = await opened(t);
        const labels: Record<string, string> = { team: 'vision' };
        const key: Key<'submissions'> = { collection: 'submissions', id: 's1' };
        const value = aDocument('submissions', { labels });
        await store.commit([put(key, value)]);
        labels['team'] = 'changed after the commit';
        vandalise((await read(store, key)).value);
        vandalise((await store.get([key]))[0]);
        const params = { groupId: 'g1' };
        for (const item of (await store.list('submissionsOfGroup', params, PAGE)).items) {
          vandalise(item.value.labels);
          vandalise(item.value);
        }
        t.expect((await read(store, key)).value).toEqual(aDocument('submissions'));
        t.expect((await store.list('submissionsOfGroup', params, PAGE)).items).toHaveLength(1);
      });
    });

    describe('committing', () => {
      test('all writes are done, deletes too', async (t) => {
        const { store } = await opened(t);
        await store.commit([put(JOB, aDocument('jobs')), put(OTHER, aDocument('jobs'))]);
        await store.commit([
          { op: 'delete', key: JOB },
          put(OTHER, aDocument('jobs', { state: 'RUNNING' })),
        ]);
        const [gone, kept] = await store.get([JOB, OTHER]);
        t.expect(gone).toBeUndefined();
        t.expect(kept?.value.state).toBe('RUNNING');
        t.expect(await store.count('recentJobs', {})).toBe(1);
        await store.commit([{ op: 'delete', key: JOB }]);
        await store.commit([]);
        t.expect(await store.count('recentJobs', {})).toBe(1);
      });

      test('nothing is written when one expectation does not hold', async (t) => {
        const { store } = await opened(t);
        await store.commit([put(JOB, aDocument('jobs'))]);
        const before = await read(store, JOB);
        const lost = store.commit([
          put(OTHER, aDocument('jobs'), 'absent'),
          put(JOB, aDocument('jobs', { state: 'RUNNING' }), 'absent'),
        ]);
        await t.expect(lost).rejects.toThrow(StaleVersion);
        await t.expect(lost).rejects.toMatchObject({ keys: [JOB] });
        t.expect(await store.get([JOB, OTHER])).toEqual([before, undefined]);
        t.expect(await store.count('recentJobs', {})).toBe(1);
      });

      test('the second of two commits on one version loses and is told the key', async (t) => {
        const { store } = await opened(t);
        await store.commit([put(JOB, aDocument('jobs')), put(OTHER, aDocument('jobs'))]);
        const { version } = await read(store, JOB);
        const move = (state: 'RUNNING' | 'FAILED') =>
          store.commit([put(JOB, aDocument('jobs', { state }), { version })]);
        await move('RUNNING');
        const lost = move('FAILED');
        await t.expect(lost).rejects.toThrow(StaleVersion);
        await t.expect(lost).rejects.toMatchObject({ keys: [JOB] });
        t.expect((await read(store, JOB)).value.state).toBe('RUNNING');
      });

      test('of commits started together on one version exactly one wins', async (t) => {
        const { store } = await opened(t);
        await store.commit([put(JOB, aDocument('jobs'))]);
        const { version } = await read(store, JOB);
        const outcomes = await Promise.allSettled(
          [1, 2, 3, 4].map((index) =>
            store.commit([put(JOB, aDocument('jobs', { index }), { version })]),
          ),
        );
        const won = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i + 1] : []));
        t.expect(won).toHaveLength(1);
        t.expect((await read(store, JOB)).value.index).toBe(won[0]);
      });

      test('deletes have expectations too', async (t) => {
        const { store } = await opened(t);
        const remove = (version: string) =>
          store.commit([{ op: 'delete', key: JOB, expect: { version } }]);
        await store.commit([{ op: 'delete', key: JOB, expect: 'absent' }]);
        await store.commit([put(JOB, aDocument('jobs'))]);
        const first = await read(store, JOB);
        await store.commit([put(JOB, aDocument('jobs', { index: 1 }))]);
        await t.expect(remove(first.version)).rejects.toThrow(StaleVersion);
        const present = store.commit([{ op: 'delete', key: JOB, expect: 'absent' }]);
        await t.expect(present).rejects.toThrow(StaleVersion);
        const { version } = await read(store, JOB);
        await remove(version);
        t.expect(await store.get([JOB])).toEqual([undefined]);
        await t.expect(remove(version)).rejects.toThrow(StaleVersion);
      });

      test('a version is not that of a document deleted and made again', async (t) => {
        const { store } = await opened(t);
        await store.commit([put(JOB, aDocument('jobs'))]);
        const { version } = await read(store, JOB);
        await store.commit([{ op: 'delete', key: JOB }]);
        await store.commit([put(JOB, aDocument('jobs'))]);
        const lost = store.commit([put(JOB, aDocument('jobs'), { version })]);
        await t.expect(lost).rejects.toThrow(StaleVersion);
      });
    });

    describe('limits', () => {
      const keys = (count: number) =>
        Array.from(
          { length: count },
          (_, i): Key<'chunks'> => ({
            collection: 'chunks',
            id: `c${i}`,
          }),
        );
      const refused = { code: 'LIMIT_EXCEEDED', name: 'AppError' };

      test('500 writes and keys are taken, 501 are not', async (t) => {
        const { store } = await opened(t);
        const writes = keys(501).map((key, index) => put(key, aDocument('chunks', { index })));
        await t.expect(store.commit(writes)).rejects.toMatchObject(refused);
        await store.commit(writes.slice(0, 500));
        await t.expect(store.get(keys(501))).rejects.toMatchObject(refused);
        const found = await store.get(keys(500));
        t.expect(found.map((one) => one?.value.index)).toEqual(keys(500).map((_, i) => i));
      });

      test('pages have 1 to 500 documents', async (t) => {
        const { store } = await opened(t);
        for (const limit of [0, 501, 1.5]) {
          const list = store.list('recentJobs', {}, { limit });
          await t.expect(list).rejects.toMatchObject(refused);
        }
        t.expect(await store.list('recentJobs', {}, { limit: 500 })).toEqual({ items: [] });
      });

      test('a key is written once per commit', async (t) => {
        const { store } = await opened(t);
        const twice = store.commit([put(JOB, aDocument('jobs')), { op: 'delete', key: JOB }]);
        await t.expect(twice).rejects.toMatchObject({
          ...refused,
          message: t.expect.stringContaining('jobs/j1'),
        });
        t.expect(await store.get([JOB])).toEqual([undefined]);
      });

      test('ids are short, plain and without a slash', async (t) => {
        const { store } = await opened(t);
        for (const id of ['', 'a/b', 'ä', 'a\nb', 'x'.repeat(201)]) {
          const write = store.commit([put({ collection: 'jobs', id }, aDocument('jobs'))]);
          await t.expect(write, id).rejects.toMatchObject(refused);
        }
        const longest: Key<'jobs'> = { collection: 'jobs', id: 'x'.repeat(200) };
        await store.commit([put(longest, aDocument('jobs'))]);
        t.expect((await read(store, longest)).key).toEqual(longest);
      });
    });

    describe('changedAt', () => {
      test('is equal inside a commit and later in each later one, whatever the clock does', async (t) => {
        const { store, clock } = await opened(t);
        const steps = [0, 0, -5000, 10_000, 0, -1];
        let last = Number.NEGATIVE_INFINITY;
        for (const step of steps) {
          clock.set(clock.now() + step);
          await store.commit([put(JOB, aDocument('jobs')), put(OTHER, aDocument('jobs'))]);
          const [one, other] = [await read(store, JOB), await read(store, OTHER)];
          t.expect(one.changedAt).toBe(other.changedAt);
          t.expect(one.changedAt).toBeGreaterThan(last);
          last = one.changedAt;
        }
      });

      test('of a document stays when another one changes', async (t) => {
        const { store } = await opened(t);
        await store.commit([put(JOB, aDocument('jobs'))]);
        const before = await read(store, JOB);
        await store.commit([put(OTHER, aDocument('jobs'))]);
        t.expect(await read(store, JOB)).toEqual(before);
      });
    });

    storeQueriesContract(open);
  });
}

const TEXTS = [
  '',
  'plain',
  'Grüße, 世界, 😀, \u{10ffff}, \uffff, e\u0301',
  'a\0b',
  '\0',
  '"quotes" \\ and\nlines\u2028',
  "'; DROP TABLE jobs; --",
];

async function read<K extends Key>(store: Store, key: K): Promise<Stored<K['collection']>> {
  const [stored] = await store.get<K['collection']>([key]);
  if (stored === undefined) throw new Error(`${key.collection}/${key.id} is not there`);
  return stored;
}

// A store may hand out frozen documents: then the change fails, which is isolation too.
function vandalise(target: object | undefined): void {
  if (target === undefined) return;
  for (const field of Object.keys(target)) Reflect.set(target, field, 'vandalised');
}
