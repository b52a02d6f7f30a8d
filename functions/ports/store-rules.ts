import { AppError } from '../../shared/errors/app-error.ts';
import { type Collection, type Documents, SCHEMA_VERSION } from './documents.ts';
import { QUERIES, type QueryName, type QuerySpec } from './queries.ts';
import {
  type Cursor,
  type Expectation,
  type Key,
  type Page,
  STORE_LIMIT,
  type Stored,
  type Write,
} from './store.ts';

// What every adapter of the Store does the same way, so that none of them decides it alone.

/** An entry of the catalogue, with its optional parts readable whatever the name. */
export function querySpec(query: QueryName): QuerySpec {
  return QUERIES[query];
}

/** One string for a key; ids hold no `/`. */
export function keyText(key: Key): string {
  return `${key.collection}/${key.id}`;
}

/** A top-level field of a document, by a name from the catalogue. */
export function fieldOf(value: Documents[Collection], field: string): unknown {
  return Reflect.get(value, field);
}

/** The facets of a document; none when its kind has none. */
export function facetsOf(value: Documents[Collection]): readonly string[] {
  return 'facets' in value ? value.facets : [];
}

/** Where a document stands in the order of a query. Throws TypeError when the order field is no text or number. */
export function cursorOf(spec: QuerySpec, stored: Stored): Cursor {
  const value =
    spec.orderBy === 'changedAt' ? stored.changedAt : fieldOf(stored.value, spec.orderBy);
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new TypeError(`${keyText(stored.key)}: ${spec.orderBy} cannot be ordered by`);
  }
  return { value, id: stored.key.id };
}

/** The order of all queries, ascending: by value, then by id; text by code point, as UTF-8 bytes sort. */
export function compareCursors(a: Cursor, b: Cursor): number {
  return compareValues(a.value, b.value) || compareText(a.id, b.id);
}

function compareValues(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return compareText(String(a), String(b));
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return codePointRank(x) - codePointRank(y);
  }
  return a.length - b.length;
}

// UTF-16 puts surrogates (code points above U+FFFF) before U+E000..U+FFFF; code points go the other way round.
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Whether what a write expects holds of the version its key has now (undefined: no document). */
export function expectationHolds(expect: Expectation | undefined, version: string | undefined) {
  if (expect === undefined) return true;
  return expect === 'absent' ? version === undefined : version === expect.version;
}

/** Throws AppError LIMIT_EXCEEDED for more than 500 keys or an id no adapter could store. */
export function checkKeys(keys: readonly Key[]): void {
  if (keys.length > STORE_LIMIT) throw tooMany('keys in one read', keys.length);
  for (const key of keys) checkId(key);
}

/** Throws AppError LIMIT_EXCEEDED for more than 500 writes, two writes of one key, or a bad id. */
export function checkWrites(writes: readonly Write[]): void {
  if (writes.length > STORE_LIMIT) throw tooMany('writes in one commit', writes.length);
  const seen = new Set<string>();
  for (const { key } of writes) {
    checkId(key);
    const text = keyText(key);
    if (seen.has(text)) {
      throw new AppError('LIMIT_EXCEEDED', `${text} is written twice in one commit`, {
        hint: 'Write each key once per commit.',
      });
    }
    seen.add(text);
  }
}

/** Throws AppError LIMIT_EXCEEDED unless the page asks for 1 to 500 documents. */
export function checkPage(page: Page): void {
  if (Number.isInteger(page.limit) && page.limit >= 1 && page.limit <= STORE_LIMIT) return;
  throw tooMany('documents in one page', page.limit);
}

/** Throws AppError SCHEMA_TOO_NEW when a document was written by a newer caliban. */
export function checkSchemaVersion(key: Key, value: Documents[Collection]): void {
  if (value.schemaVersion <= SCHEMA_VERSION) return;
  throw new AppError(
    'SCHEMA_TOO_NEW',
    `${keyText(key)} has schema version ${value.schemaVersion}; this caliban reads up to ${SCHEMA_VERSION}`,
    { hint: 'Use the caliban that wrote it, or a newer one.' },
  );
}

const ID = /^[\x20-\x2e\x30-\x7e]{1,200}$/;

function checkId(key: Key): void {
  if (ID.test(key.id)) return;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `${JSON.stringify(key.id.slice(0, 80))} cannot be an id of ${key.collection}`,
    { hint: 'Ids have 1 to 200 printable ASCII characters, without "/".' },
  );
}

function tooMany(what: string, count: number): AppError {
  return new AppError('LIMIT_EXCEEDED', `${count} ${what}; 1 to ${STORE_LIMIT} are allowed`, {
    hint: 'Split the request.',
    context: { limit: STORE_LIMIT },
  });
}
