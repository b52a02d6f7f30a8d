import type { DocumentSnapshot, Timestamp } from '@google-cloud/firestore';
import type { Collection, Documents } from '../../ports/documents.ts';
import { QUERIES, type QueryName } from '../../ports/queries.ts';
import type { Key, Stored } from '../../ports/store.ts';
import { checkSchemaVersion, facetsOf, fieldOf, querySpec } from '../../ports/store-rules.ts';
import { FIELD, fieldPath } from './firestore-plan.ts';

// A document as stored: what queries name in the map `q`, the whole value as JSON in a field that no index holds. So a field in no
// query costs its bytes and nothing else, and any text stays as it was, lone surrogates too (JSON escapes them). Queried text is ordered by
// its UTF-8 bytes; Firestore indexes its first 1,500 bytes. Single-field indexes are turned off in firestore.indexes.json but for the few
// that a query uses.

/** Ids of ours may be what Firestore forbids (`.`, `..`, `__x__`); with this before them none is, and their order stays. */
const PREFIX = 'k';

/** The id of a document in its collection. */
export function documentId({ id }: Pick<Key, 'id'>): string {
  return `${PREFIX}${id}`;
}

/** What is stored for a value, but for the server's own time. `commit`: see firestore-commit.ts. */
export function fieldsOf(key: Key, value: Documents[Collection], commit: string) {
  return {
    [FIELD.json]: JSON.stringify(value),
    [FIELD.queried]: queriedOf(key, value),
    [FIELD.commit]: commit,
  };
}

function queriedOf({ collection }: Key, value: Documents[Collection]) {
  const names = queriedFields(collection);
  const scalars = names.map((name) => [name, fieldOf(value, name) ?? null] as const);
  const facets = FACETED.has(collection) ? facetsOf(value) : [];
  return {
    ...Object.fromEntries(scalars),
    ...(facets.length === 0 ? {} : { facets: [...new Set(facets)] }),
  };
}

/** Names that queries of a collection use, but for the store's own and the facets. */
const QUERIED = queriedNames();

/** Fields of the map `q` in documents of a collection, but for `facets`. */
export function queriedFields(collection: Collection): readonly string[] {
  return QUERIED.get(collection) ?? [];
}

const FACETED: ReadonlySet<Collection> = new Set(
  (Object.keys(QUERIES) as QueryName[])
    .map(querySpec)
    .filter(({ facet }) => facet === true)
    .map(({ collection }) => collection),
);

/** Paths of all that documents of a collection may have stored, the map `q` and what is in it, sorted; for the indexes. */
export function storedFields(collection: Collection): string[] {
  const named = [...queriedFields(collection), ...(FACETED.has(collection) ? ['facets'] : [])].map(
    fieldPath,
  );
  return [FIELD.json, FIELD.queried, FIELD.stampedAt, FIELD.commit, ...named].sort();
}

function queriedNames(): ReadonlyMap<Collection, readonly string[]> {
  const names = new Map<Collection, Set<string>>();
  for (const query of Object.keys(QUERIES) as QueryName[]) {
    const { collection, equals, optional = [], orderBy } = querySpec(query);
    const known = names.get(collection) ?? new Set();
    for (const name of [...equals, ...optional, orderBy]) if (name !== 'changedAt') known.add(name);
    names.set(collection, known);
  }
  return new Map([...names].map(([collection, set]) => [collection, [...set]]));
}

/** A stored document as read; undefined where there is none. `changedAt` is its update time. Throws AppError SCHEMA_TOO_NEW. */
export function storedOf<C extends Collection>(
  collection: C,
  snapshot: DocumentSnapshot,
): Stored<C> | undefined {
  const json: unknown = snapshot.get(FIELD.json);
  const { updateTime } = snapshot;
  if (typeof json !== 'string' || updateTime === undefined) return undefined;
  const key: Key<C> = { collection, id: snapshot.id.slice(PREFIX.length) };
  // Written by `fieldsOf`, of which the key says what it is.
  const value = JSON.parse(json) as Documents[C];
  checkSchemaVersion(key, value);
  return { key, value, version: versionOf(updateTime), changedAt: msOf(updateTime) };
}

/** The version of a document: its update time, to the last digit. */
export function versionOf({ seconds, nanoseconds }: Timestamp): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

/** UTC milliseconds with a fraction: Firestore's times have microseconds, which a number tells apart until 2248. */
export function msOf({ seconds, nanoseconds }: Timestamp): number {
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

/** Whether a commit of this name wrote the document. */
export function isOfCommit(snapshot: DocumentSnapshot, commit: string): boolean {
  return snapshot.get(FIELD.commit) === commit;
}
