import fc from 'fast-check';
import { describe, type ExpectStatic, test } from 'vitest';
import type { Collection, Documents } from '../../functions/ports/documents.ts';
import {
  QUERIES,
  type QueryName,
  type QueryParams,
  type QuerySpec,
} from '../../functions/ports/queries.ts';
import type { Cursor, Listed, Page, Store, Stored, Write } from '../../functions/ports/store.ts';
import type { OpenStore } from './store.ts';
import { aDocument, SAMPLES } from './store-documents.ts';
import { createTestClock } from './test-clock.ts';

type Fields = Readonly<Record<string, unknown>>;
type Change = { readonly id: string; readonly fields: Fields | null };

// Few values, so that ties and matches are common. Their order differs between UTF-16, code points and locales.
const TEXTS = ['a', 'B', 'ä', '\uffff', '😀', 'a\0', 'a😀'];
const NUMBERS = [0, 1, 2, 1.5, 1_700_000_000_000, 1_700_000_000_001];
const FACETS = ['flag:lr=0.1', 'flag:lr=0.01', 'label:team=ä', 'label:team=a\0'];
const IDS = ['d0', 'd1', 'd2', 'd10', 'D1', 'e0', 'f 1', 'g-1', 'h.1', 'i_1'];

/** Every query of the catalogue against a naive filter, with documents that change between pages. */
export function storeQueriesContract(open: OpenStore): void {
  describe.each(Object.keys(QUERIES) as QueryName[])('query %s', (query) => {
    const spec: QuerySpec = QUERIES[query];

    test('lists and counts what a naive filter finds', async ({ expect, onTestFinished }) => {
      const { store, close } = await open(createTestClock());
      onTestFinished(close);
      const model = new Model(store, spec);
      const property = fc.asyncProperty(scenarioOf(spec), async (scenario) => {
        await model.clear();
        for (const changes of scenario.commits) await model.commit(changes);
        const params = scenario.params as QueryParams<typeof query>;
        expect(await store.count(query, params)).toBe(model.matching(params).length);

        const between = [...scenario.between];
        let page: Page | undefined = { limit: scenario.limit };
        while (page !== undefined) {
          const listed: Listed<Collection> = await store.list(query, params, page);
          model.expectPage({ listed, page, params, expect });
          page = listed.next && { limit: scenario.limit, after: listed.next };
          await model.commit(between.shift() ?? []);
        }
      });
      await fc.assert(property, { numRuns: 25 });
    });
  });
}

interface PageToCheck {
  readonly listed: Listed<Collection>;
  readonly page: Page;
  readonly params: Fields;
  readonly expect: ExpectStatic;
}

/** The documents of one collection as a plain list, kept in step with a store. */
class Model {
  readonly #store: Store;
  readonly #spec: QuerySpec;
  readonly #documents = new Map<string, Stored>();

  constructor(store: Store, spec: QuerySpec) {
    this.#store = store;
    this.#spec = spec;
  }

  async clear(): Promise<void> {
    await this.commit([...this.#documents.keys()].map((id) => ({ id, fields: null })));
  }

  async commit(changes: readonly Change[]): Promise<void> {
    const { collection } = this.#spec;
    await this.#store.commit(changes.map((change) => writeOf(collection, change)));
    const keys = changes.map(({ id }) => ({ collection, id }));
    const stored = await this.#store.get(keys);
    for (const [i, { id, fields }] of changes.entries()) {
      const now = stored[i];
      if (fields === null || now === undefined) this.#documents.delete(id);
      else this.#documents.set(id, { ...now, value: documentOf(collection, fields) });
    }
  }

  matching(params: Fields, after?: Cursor): Stored[] {
    const sign = this.#spec.direction === 'asc' ? 1 : -1;
    return [...this.#documents.values()]
      .filter((stored) => this.#matches(stored, params))
      .filter((one) => after === undefined || sign * compare(this.cursor(one), after) > 0)
      .sort((a, b) => sign * compare(this.cursor(a), this.cursor(b)));
  }

  cursor(stored: Stored): Cursor {
    const all = { ...stored.value, changedAt: stored.changedAt };
    return { value: Reflect.get(all, this.#spec.orderBy), id: stored.key.id };
  }

  expectPage({ listed, page, params, expect }: PageToCheck): void {
    const expected = this.matching(params, page.after);
    expect(listed.items).toEqual(expected.slice(0, page.limit));
    const last = listed.items.at(-1);
    // A page may announce a next one that turns out empty, but never hide one.
    if (expected.length > page.limit || listed.next !== undefined) {
      expect(listed.next).toEqual(last === undefined ? undefined : this.cursor(last));
    }
  }

  #matches(stored: Stored, params: Fields): boolean {
    return Object.entries(params).every(([name, wanted]) => {
      if (name === 'atMost') return Number(this.cursor(stored).value) <= Number(wanted);
      if (name === 'facet') return Reflect.get(stored.value, 'facets').includes(wanted);
      return Reflect.get(stored.value, name) === wanted;
    });
  }
}

function compare(a: Cursor, b: Cursor): number {
  if (typeof a.value === 'number' && typeof b.value === 'number' && a.value !== b.value) {
    return a.value - b.value;
  }
  return (
    Buffer.compare(Buffer.from(String(a.value)), Buffer.from(String(b.value))) ||
    Buffer.compare(Buffer.from(a.id), Buffer.from(b.id))
  );
}

function documentOf(collection: Collection, fields: Fields): Documents[Collection] {
  return { ...aDocument(collection), ...fields } as Documents[Collection];
}

function writeOf(collection: Collection, { id, fields }: Change): Write {
  const key = { collection, id };
  if (fields === null) return { op: 'delete', key };
  return { op: 'put', key, value: documentOf(collection, fields) } as Write;
}

/** Commits to start from, parameters, a page size, and commits between the pages. */
function scenarioOf(spec: QuerySpec) {
  const optional = spec.optional ?? [];
  const named = [...new Set([...spec.equals, ...optional, spec.orderBy])];
  const fields = fc.record({
    ...Object.fromEntries(
      named
        .filter((field) => field !== 'changedAt')
        .map((field) => [field, valuesOf(spec.collection, field)]),
    ),
    ...(spec.facet === true ? { facets: fc.subarray(FACETS) } : {}),
  });
  const change = fc.record({
    id: fc.constantFrom(...IDS),
    fields: fc.option(fields, { freq: 5 }),
  });
  const commit = fc.uniqueArray(change, { maxLength: 10, selector: ({ id }) => id });
  const wanted = (names: readonly string[]) =>
    Object.fromEntries(names.map((field) => [field, paramsOf(spec.collection, field)]));
  const params = fc.record(
    {
      ...wanted(spec.equals),
      ...wanted(optional),
      ...(spec.facet === true ? { facet: fc.constantFrom(...FACETS) } : {}),
      ...(spec.range === undefined ? {} : { atMost: fc.constantFrom(...NUMBERS) }),
    },
    { requiredKeys: spec.equals as never[] },
  );
  return fc.record({
    commits: fc.array(commit, { minLength: 1, maxLength: 4 }),
    params,
    limit: fc.integer({ min: 1, max: 4 }),
    between: fc.array(commit, { maxLength: 3 }),
  });
}

function valuesOf(collection: Collection, field: string): fc.Arbitrary<unknown> {
  const sample: unknown = Reflect.get(SAMPLES[collection], field);
  const values = paramsOf(collection, field);
  // Fields that can be null match no parameter then.
  return field === 'openLane' || sample === null ? fc.option(values, { freq: 5 }) : values;
}

function paramsOf(collection: Collection, field: string): fc.Arbitrary<unknown> {
  const sample: unknown = Reflect.get(SAMPLES[collection], field);
  if (typeof sample === 'boolean') return fc.boolean();
  if (typeof sample === 'number') return fc.constantFrom(...NUMBERS);
  // Two values, for many matches; `order` gets them all, for its order.
  return fc.constantFrom(...(field === 'order' ? TEXTS : TEXTS.slice(4, 6)));
}
