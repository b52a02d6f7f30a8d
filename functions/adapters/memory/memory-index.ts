import type { QuerySpec, Scalar } from '../../ports/queries.ts';
import type { Cursor, Stored } from '../../ports/store.ts';
import { compareCursors, cursorOf, facetsOf, fieldOf } from '../../ports/store-rules.ts';

/** Parameters of any query, by field name. */
export type AnyParams = Readonly<Record<string, Scalar | undefined>>;

interface Entry {
  readonly at: Cursor;
  readonly stored: Stored;
}

interface Place {
  readonly bucket: string;
  readonly entry: Entry;
}

const NOTHING: readonly Entry[] = [];

/** The documents of one query: buckets by the equality fields, each in the query's ascending order. */
export class MemoryIndex {
  readonly #spec: QuerySpec;
  readonly #buckets = new Map<string, Entry[]>();
  readonly #places = new Map<string, Place>();

  constructor(spec: QuerySpec) {
    this.#spec = spec;
  }

  /** Puts a document in the place of an earlier one of its id, or takes that one out. */
  replace(id: string, after: Stored | undefined): void {
    const from = this.#places.get(id);
    const to = after === undefined ? undefined : this.#placeOf(after);
    if (to === undefined) this.#places.delete(id);
    else this.#places.set(id, to);
    if (from !== undefined && to !== undefined && isSamePlace(from, to)) {
      // Most changes leave most indexes as they are; moving the entries behind would cost the most.
      const bucket = this.#buckets.get(to.bucket);
      if (bucket !== undefined) bucket[firstAtOrAfter(bucket, to.entry.at)] = to.entry;
      return;
    }
    if (from !== undefined) this.#remove(from);
    if (to !== undefined) this.#add(to);
  }

  /** The first documents after the cursor, in the query's direction. */
  list(params: AnyParams, limit: number, after: Cursor | undefined): Stored[] {
    const bucket = this.#bucket(params);
    const end = this.#end(bucket, params);
    const ascending = this.#spec.direction === 'asc';
    const step = ascending ? 1 : -1;
    const found: Stored[] = [];
    let i = ascending ? startAfter(bucket, after) : startBefore(bucket, end, after);
    for (; i >= 0 && i < end && found.length < limit; i += step) {
      const stored = bucket[i]?.stored;
      if (stored !== undefined && this.#matches(stored, params)) found.push(stored);
    }
    return found;
  }

  /** How many documents match. */
  count(params: AnyParams): number {
    const bucket = this.#bucket(params);
    const end = this.#end(bucket, params);
    if (!this.#filters(params)) return end;
    return this.list(params, Number.POSITIVE_INFINITY, undefined).length;
  }

  #placeOf(stored: Stored): Place {
    const bucket = this.#bucketOf((field) => fieldOf(stored.value, field));
    return { bucket, entry: { at: cursorOf(this.#spec, stored), stored } };
  }

  #add({ bucket: name, entry }: Place): void {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) this.#buckets.set(name, [entry]);
    else bucket.splice(firstAtOrAfter(bucket, entry.at), 0, entry);
  }

  #remove({ bucket: name, entry }: Place): void {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) return;
    bucket.splice(firstAtOrAfter(bucket, entry.at), 1);
    if (bucket.length === 0) this.#buckets.delete(name);
  }

  #bucket(params: AnyParams): readonly Entry[] {
    return this.#buckets.get(this.#bucketOf((field) => params[field])) ?? NOTHING;
  }

  #bucketOf(fieldValue: (field: string) => unknown): string {
    const { equals } = this.#spec;
    const [first] = equals;
    if (first === undefined) return '';
    if (equals.length === 1) return tagged(fieldValue(first));
    return JSON.stringify(equals.map((field) => tagged(fieldValue(field))));
  }

  #end(bucket: readonly Entry[], params: AnyParams): number {
    const atMost = params['atMost'];
    if (this.#spec.range === undefined || typeof atMost !== 'number') return bucket.length;
    return bisect(bucket, (at) => typeof at.value === 'number' && at.value <= atMost);
  }

  #filters(params: AnyParams): boolean {
    const { facet, optional = [] } = this.#spec;
    if (facet === true && params['facet'] !== undefined) return true;
    return optional.some((field) => params[field] !== undefined);
  }

  #matches(stored: Stored, params: AnyParams): boolean {
    const { facet, optional = [] } = this.#spec;
    for (const field of optional) {
      const wanted = params[field];
      if (wanted !== undefined && fieldOf(stored.value, field) !== wanted) return false;
    }
    const wanted = facet === true ? params['facet'] : undefined;
    return wanted === undefined || facetsOf(stored.value).some((one) => one === wanted);
  }
}

function isSamePlace(a: Place, b: Place): boolean {
  return a.bucket === b.bucket && compareCursors(a.entry.at, b.entry.at) === 0;
}

// The type goes in, so that '1', 1 and true are three values.
function tagged(value: unknown): string {
  return `${typeof value}:${value}`;
}

function firstAtOrAfter(bucket: readonly Entry[], at: Cursor): number {
  return bisect(bucket, (other) => compareCursors(other, at) < 0);
}

function startAfter(bucket: readonly Entry[], after: Cursor | undefined): number {
  if (after === undefined) return 0;
  return bisect(bucket, (other) => compareCursors(other, after) <= 0);
}

function startBefore(bucket: readonly Entry[], end: number, after: Cursor | undefined): number {
  return (after === undefined ? end : Math.min(end, firstAtOrAfter(bucket, after))) - 1;
}

/** How many leading entries are before the wanted place. */
function bisect(bucket: readonly Entry[], isBefore: (at: Cursor) => boolean): number {
  let low = 0;
  let high = bucket.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = bucket[middle];
    if (entry !== undefined && isBefore(entry.at)) low = middle + 1;
    else high = middle;
  }
  return low;
}
