import { setTimeout } from 'node:timers/promises';
import { acquireServeLock } from '../../functions/adapters/local/sqlite/serve-lock.ts';
import {
  openSqliteStore,
  type SqliteStore,
} from '../../functions/adapters/local/sqlite/sqlite-store.ts';
import type { Clock } from '../../functions/ports/runtime.ts';
import { type Key, put, StaleVersion, type Write } from '../../functions/ports/store.ts';
import { aDocument } from '../contract/store-documents.ts';

// A process of its own for the tests of several processes: `sqlite-child.ts TASK FILE [COUNT]`, `sqlite-child.ts open FILE [MIGRATIONS]`.

const clock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await setTimeout(ms, undefined, signal === undefined ? {} : { signal });
  },
};

const COUNTER: Key<'lanes'> = { collection: 'lanes', id: 'counter' };

/** Raises one document's `epoch`, losing and trying again until it was raised `count` times. */
async function increment(store: SqliteStore, count: number): Promise<string> {
  let lost = 0;
  for (let done = 0; done < count; ) {
    const [lane] = await store.get([COUNTER]);
    const write =
      lane === undefined
        ? put(COUNTER, aDocument('lanes', { epoch: 1 }), 'absent')
        : put(COUNTER, { ...lane.value, epoch: lane.value.epoch + 1 }, { version: lane.version });
    if (await wins(store, [write])) done += 1;
    else lost += 1;
  }
  return JSON.stringify({ lost });
}

/** Deletes due messages one by one and names those it got. */
async function claim(store: SqliteStore): Promise<string> {
  const claimed: string[] = [];
  for (;;) {
    const params = { parked: false, atMost: Number.MAX_SAFE_INTEGER };
    const { items } = await store.list('dueMessages', params, { limit: 20 });
    const item = items[Math.floor(Math.random() * items.length)];
    if (item === undefined) return JSON.stringify({ claimed });
    const { key, version } = item;
    if (await wins(store, [{ op: 'delete', key, expect: { version } }])) claimed.push(key.id);
  }
}

/** Commits the same number to many documents, again and again, saying each one that is durable. */
async function commitForever(store: SqliteStore): Promise<never> {
  for (let index = 1; ; index++) {
    await store.commit(
      Array.from({ length: 50 }, (_, i) =>
        put({ collection: 'jobs', id: `j${i}` }, aDocument('jobs', { index })),
      ),
    );
    process.stdout.write(`${index}\n`);
  }
}

/** Commits a hundred documents so many times, one commit after the other. */
async function fill(store: SqliteStore, count: number): Promise<string> {
  for (let done = 0; done < count; done++) {
    await store.commit(
      Array.from({ length: 100 }, (_, i) =>
        put({ collection: 'jobs', id: `f${done}-${i}` }, aDocument('jobs')),
      ),
    );
  }
  return String(await store.count('recentJobs', {}));
}

/** Six at once: each commits the same number to ten documents of its own, again and again, saying `WHO NUMBER` once it is durable. */
async function commitTogether(store: SqliteStore): Promise<void> {
  const six = ['a', 'b', 'c', 'd', 'e', 'f'];
  await Promise.all(
    six.map(async (who) => {
      for (let index = 1; ; index++) {
        await store.commit(
          Array.from({ length: 10 }, (_, i) =>
            put(
              { collection: 'jobs', id: `${who}${i}` },
              aDocument('jobs', { index, groupId: who }),
            ),
          ),
        );
        process.stdout.write(`${who} ${index}\n`);
      }
    }),
  );
}

async function wins(store: SqliteStore, writes: readonly Write[]): Promise<boolean> {
  try {
    await store.commit(writes);
    return true;
  } catch (error) {
    if (error instanceof StaleVersion) return false;
    throw error;
  }
}

const [task, file = '', detail] = process.argv.slice(2);
if (task === 'lock') {
  acquireServeLock(file);
  process.stdout.write('held\n');
  await setTimeout(60_000);
} else {
  const migrations = task === 'open' && detail !== undefined ? JSON.parse(detail) : undefined;
  const store = await openSqliteStore({
    path: file,
    clock,
    ...(migrations === undefined ? {} : { migrations }),
  });
  if (task === 'increment') process.stdout.write(await increment(store, Number(detail)));
  else if (task === 'claim') process.stdout.write(await claim(store));
  else if (task === 'fill') process.stdout.write(await fill(store, Number(detail)));
  else if (task === 'commit-forever') await commitForever(store);
  else if (task === 'commit-together') await commitTogether(store);
  else if (task === 'open') process.stdout.write('opened\n');
  store.close();
}
