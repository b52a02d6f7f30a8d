import type { Collection } from '../../ports/documents.ts';
import type { Cursor, Page, Stored } from '../../ports/store.ts';
import { compareCursors } from '../../ports/store-rules.ts';
import type { FirestoreClient, LoadedFirestore } from './firestore-client.ts';
import { COMMIT_MS } from './firestore-commit.ts';
import { msOf, storedOf } from './firestore-documents.ts';
import { FIELD, type FirestorePlan } from './firestore-plan.ts';
import { queryOf } from './firestore-queries.ts';

// `changedAt` is a document's update time: Firestore's own time of the commit, the same for all its documents, in microseconds, later in
// each later commit; and a read sees every commit up to its read time. So who follows documents in this order misses none. But no query
// can be ordered by it. `serverTimestamp()` can be, and is something else: Firestore's clock when the request came in, in milliseconds. One
// commit may overtake another after that, and a follower of this field alone would be past the slow one before it can be seen.
// (google/firestore/v1/{document,write,firestore}.proto, read 2026-12.)
//
// So the field only says where to look: a document stamped at S was committed in S - AHEAD … S + BEHIND, because a request is given up
// after its deadline. Read from BEHIND before the place, in order of the stamps, until what is not read yet must be newer than the page;
// then put in order of the commits.

/** From stamp to commit, at most: the deadline of a request, and a margin (ms). */
const BEHIND_MS = COMMIT_MS.wait + 1_000;
/** Clocks of Google's that may differ, and the stamp's own precision (ms). */
const AHEAD_MS = 100;
/** Documents read beyond the page at first; then four times as many, as often as needed. */
const EXTRA = 50;
const GROWTH = 4;
/** Places of followers that are remembered. */
const PLACES = 1_000;

/** A document as found, with its stamp (ms). */
export interface Change<C extends Collection> {
  readonly stored: Stored<C>;
  readonly stamp: number;
}

/** Lists documents in the order of their commits. */
export interface ChangeLister {
  list<C extends Collection>(
    plan: FirestorePlan & { readonly collection: C },
    page: Page,
    readMs: number,
  ): Promise<Stored<C>[]>;
}

/**
 * A lister of changes; it gives one document more than the page asks for, where there is one. It remembers up to when nothing was behind
 * a place, so that who waits there does not read the documents before it again and again.
 */
export function createChangeLister(client: FirestoreClient): ChangeLister {
  const quiet = createQuietPlaces();
  return {
    async list(plan, page, readMs) {
      const from = startOf(page.after, quiet.untilOf(plan, page.after));
      for (let size = page.limit + 1 + EXTRA; ; size *= GROWTH) {
        const { changes, readAt } = await client.within(readMs, (loaded) =>
          changesFrom(loaded, plan, { from, size }),
        );
        const isAll = changes.length < size;
        const until = isAll ? readAt : stampsRead(changes, readAt);
        const sure = changesBehind(changes, page.after, until).slice(0, page.limit + 1);
        if (sure.length > page.limit) return sure;
        if (!isAll) continue;
        quiet.note(plan, placeOf(sure) ?? page.after, readAt);
        return sure;
      }
    },
  };
}

function startOf(after: Cursor | undefined, quietUntil: number): number | undefined {
  return after === undefined ? undefined : Math.max(Number(after.value), quietUntil) - BEHIND_MS;
}

function placeOf(sure: readonly Stored[]): Cursor | undefined {
  const last = sure.at(-1);
  return last && { value: last.changedAt, id: last.key.id };
}

// Until when (by Firestore's clock) there was nothing behind a place; the last places asked for.
function createQuietPlaces() {
  const until = new Map<string, number>();
  const textOf = (plan: FirestorePlan, { value, id }: Cursor) =>
    JSON.stringify([plan.collection, plan.equalities, plan.contains, value, id]);

  return {
    untilOf(plan: FirestorePlan, place: Cursor | undefined): number {
      return place === undefined ? 0 : (until.get(textOf(plan, place)) ?? 0);
    },
    note(plan: FirestorePlan, place: Cursor | undefined, readAt: number): void {
      if (place === undefined) return;
      const text = textOf(plan, place);
      until.delete(text);
      until.set(text, readAt);
      const [oldest] = until.keys();
      if (until.size > PLACES && oldest !== undefined) until.delete(oldest);
    },
  };
}

/**
 * Of documents in the order of their stamps, those behind a place and committed until an instant, in the order of their commits: as far
 * as none can come between them that was not read.
 */
export function changesBehind<C extends Collection>(
  changes: readonly Change<C>[],
  after: Cursor | undefined,
  until: number,
): Stored<C>[] {
  return changes
    .map(({ stored }) => ({ stored, at: { value: stored.changedAt, id: stored.key.id } }))
    .filter(({ at }) => at.value <= until && (after === undefined || compareCursors(at, after) > 0))
    .sort((a, b) => compareCursors(a.at, b.at))
    .map(({ stored }) => stored);
}

/** Until when every commit is among those read, where there are more: those have this stamp or a later one. */
export function stampsRead(changes: readonly Change<Collection>[], readAt: number): number {
  return Math.min(readAt, (changes.at(-1)?.stamp ?? 0) - AHEAD_MS);
}

async function changesFrom<C extends Collection>(
  loaded: LoadedFirestore,
  plan: FirestorePlan & { readonly collection: C },
  { from, size }: { readonly from: number | undefined; readonly size: number },
) {
  const all = queryOf(loaded, plan).limit(size);
  const { Timestamp } = loaded.library;
  const asked = from === undefined ? all : all.startAt(Timestamp.fromMillis(Math.floor(from)));
  const snapshot = await asked.get();
  // A query that broke off is gone on with later: what was committed in between may be missing before what was read then.
  const readAt = Math.min(...[snapshot, ...snapshot.docs].map(({ readTime }) => msOf(readTime)));
  const changes = snapshot.docs.flatMap((document): Change<C>[] => {
    const stored = storedOf(plan.collection, document);
    const stamp: unknown = document.get(FIELD.stampedAt);
    if (stored === undefined || !(stamp instanceof Timestamp)) return [];
    return [{ stored, stamp: msOf(stamp) }];
  });
  return { changes, readAt };
}
