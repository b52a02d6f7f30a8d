import type { DocumentSnapshot, Timestamp } from '@google-cloud/firestore';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Collection, Documents } from '../../ports/documents.ts';
import { QUERIES, type QueryName } from '../../ports/queries.ts';
import type { Key, Stored } from '../../ports/store.ts';
import {
  checkSchemaVersion,
  facetsOf,
  fieldOf,
  keyText,
  querySpec,
} from '../../ports/store-rules.ts';
import { FIELD } from './firestore-plan.ts';

/** Most bytes of a document, names included (https://cloud.google.com/firestore/quotas, read 2026-11). */
const MAX_BYTES = 1_048_576;
/** Room for names, the queried fields (which are short) and Firestore's own. */
const OVERHEAD = 32 * 1024;

/** Ids of ours may be what Firestore forbids (`.`, `..`, `__x__`); with this before them none is, and their order stays. */
const PREFIX = 'k';

/** The id of a document in its collection. */
export function documentId({ id }: Pick<Key, 'id'>): string {
  return `${PREFIX}${id}`;
}

/** What is stored for a value, but for the server's own time. Throws AppError LIMIT_EXCEEDED for one that Firestore would not take. */
export function fieldsOf(key: Key, value: Documents[Collection], commit: string) {
  const json = JSON.stringify(value);
  const bytes = Buffer.byteLength(json);
  if (bytes > MAX_BYTES - OVERHEAD) {
    throw new AppError(
      'LIMIT_EXCEEDED',
      `${keyText(key)} has ${bytes} bytes; at most ${MAX_BYTES - OVERHEAD} can be stored.`,
      { hint: 'Send less in one request.', context: { limit: MAX_BYTES - OVERHEAD } },
    );
  }
  return { [FIELD.json]: json, [FIELD.queried]: queriedOf(key, value), [FIELD.commit]: commit };
}

function queriedOf({ collection }: Key, value: Documents[Collection]) {
  const names = QUERIED.get(collection) ?? [];
  const scalars = names.map((name) => [name, fieldOf(value, name) ?? null] as const);
  const facets = facetsOf(value);
  return {
    ...Object.fromEntries(scalars),
    ...(facets.length === 0 ? {} : { facets: [...facets] }),
  };
}

/** Names that queries of a collection use, but for the store's own and the facets. */
const QUERIED = queriedNames();

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

/** A stored document as read; undefined where there is none. Throws AppError SCHEMA_TOO_NEW. */
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
  const changedAt = msOf(snapshot.get(FIELD.changedAt));
  return { key, value, version: versionOf(updateTime), changedAt };
}

/** The version of a document: its update time, to the last digit. */
export function versionOf({ seconds, nanoseconds }: Timestamp): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

/** UTC milliseconds with a fraction: Firestore's times have microseconds, which a number holds exactly enough. */
export function msOf({ seconds, nanoseconds }: Timestamp): number {
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

/** The time that {@link msOf} gave a number for, to the microsecond. */
export function timestampOf(library: typeof Timestamp, ms: number): Timestamp {
  const micros = Math.round(ms * 1_000);
  return new library(Math.floor(micros / 1_000_000), (micros % 1_000_000) * 1_000);
}

/** Whether a commit of this name wrote the document. */
export function isOfCommit(snapshot: DocumentSnapshot, commit: string): boolean {
  return snapshot.get(FIELD.commit) === commit;
}
