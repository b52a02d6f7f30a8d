import { consume } from '../../functions/consumers/consume.ts';
import { getOne } from '../../functions/core/records.ts';
import type {
  Collection,
  Documents,
  JobDoc,
  SubmissionDoc,
} from '../../functions/ports/documents.ts';
import type { Message } from '../../functions/ports/message.ts';
import { put, type Store, type Stored, type Write } from '../../functions/ports/store.ts';
import type { TestDeps } from './builders.ts';

type StoreDeps = { readonly store: Store };

/** Writes a document whatever is there, and gives it back as stored. */
export async function saved<C extends Collection>(
  deps: StoreDeps,
  collection: C,
  value: Documents[C] & { readonly id: string },
): Promise<Stored<C>> {
  await deps.store.commit([put({ collection, id: value.id }, value)]);
  return stored(deps, collection, value.id);
}

/** A document that must be there. */
export async function stored<C extends Collection>(
  deps: StoreDeps,
  collection: C,
  id: string,
): Promise<Stored<C>> {
  const found = await getOne(deps, collection, id);
  if (found === undefined) throw new Error(`no ${collection}/${id}`);
  return found;
}

/** A job as it is now. */
export async function jobNow(deps: StoreDeps, id = 'submission-0'): Promise<JobDoc> {
  return (await stored(deps, 'jobs', id)).value;
}

/** A submission as it is now. */
export async function submissionNow(deps: StoreDeps, id = 'submission'): Promise<SubmissionDoc> {
  return (await stored(deps, 'submissions', id)).value;
}

/** Changes some fields of a document that is there. */
export async function changed<C extends 'jobs' | 'submissions' | 'lanes'>(
  deps: StoreDeps,
  at: { readonly collection: C; readonly id: string },
  fields: Partial<Documents[C]>,
): Promise<void> {
  const before = await stored(deps, at.collection, at.id);
  await deps.store.commit([put(before.key, { ...before.value, ...fields })]);
}

/** Every job, by index. */
export async function jobsNow(deps: StoreDeps): Promise<JobDoc[]> {
  const page = await deps.store.list('recentJobs', {}, { limit: 500 });
  return page.items.map(({ value }) => value).sort((a, b) => a.index - b.index);
}

/** Messages that wait in the outbox for their time, earliest first. */
export async function waitingMessages(
  deps: StoreDeps,
): Promise<{ readonly message: Message; readonly notBefore: number }[]> {
  const page = await deps.store.list('dueMessages', { parked: false }, { limit: 500 });
  return page.items.map(({ value: { message, notBefore } }) => ({ message, notBefore }));
}

/** Handles published messages, and those that follow from them, of the given kinds until there are none; others are dropped. */
export async function deliver(deps: TestDeps, ...kinds: readonly Message['kind'][]): Promise<void> {
  for (let taken = deps.queue.take(); taken.length > 0; taken = deps.queue.take()) {
    for (const message of taken) {
      if (kinds.includes(message.kind)) await consume(deps, message);
    }
  }
}

/** The store, with something happening right before the first commit that `concerns`: another worker wins the race. */
export function beforeCommit(
  store: Store,
  concerns: (writes: readonly Write[]) => boolean,
  happens: () => Promise<void>,
): Store {
  let over = false;
  return {
    ...store,
    async commit(writes) {
      if (!over && concerns(writes)) {
        over = true;
        await happens();
      }
      return store.commit(writes);
    },
  };
}

/** Whether a commit writes to a collection. */
export function writesTo(collection: Collection): (writes: readonly Write[]) => boolean {
  return (writes) => writes.some(({ key }) => key.collection === collection);
}
