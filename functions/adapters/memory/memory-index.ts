import type { QuerySpec, Scalar } from '../../ports/queries.ts';
import type { Cursor, Stored } from '../../ports/store.ts';
import { compareCursors, cursorOf, facetsOf, fieldOf } from '../../ports/store-rules.ts';

/** Parameters of any query, by field name. */
export type AnyParams = Readonly<Record<string, Scalar | undefined>>;

interface Entry {
  readonly at: Cursor;
  readonly stored: Stored;
}

const NOTHING: readonly Entry[] = [];

/** The documents of one query: buckets by the equality fields, each in the query's ascending order. */
export class MemoryIndex {
  readonly #spec: QuerySpec;
  readonly #buckets = new Map<string, Entry[]>();

  constructor(spec: QuerySpec) {
    this.#spec = spec;
  }

  /** Takes a document in. */
  add(stored: Stored): void {
    const name = this.#bucketOf((field) => fieldOf(stored.value, field));
    const at = cursorOf(this.#spec, stored);
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) this.#buckets.set(name, [{ at, stored }]);
    else bucket.splice(firstAtOrAfter(bucket, at), 0, { at, stored });
  }

  /** Takes a document out; it must be the very one that was added. */
  remove(stored: Stored): void {
    const name = this.#bucketOf((field) => fieldOf(stored.value, field));
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) return;
    bucket.splice(firstAtOrAfter(bucket, cursorOf(this.#spec, stored)), 1);
    if (bucket.length === 0) this.#buckets.delete(name);
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
