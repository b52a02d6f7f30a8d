import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type FirestorePlan, planQuery } from '../../../functions/adapters/gcp/firestore-plan.ts';
import { QUERIES, type QueryName } from '../../../functions/ports/queries.ts';
import { querySpec } from '../../../functions/ports/store-rules.ts';
import { firestoreIndexesText } from '../../../scripts/firestore-indexes.ts';

interface Field {
  readonly fieldPath: string;
  readonly order?: string;
  readonly arrayConfig?: string;
}
interface Index {
  readonly collectionGroup: string;
  readonly queryScope: string;
  readonly fields: readonly Field[];
}
interface Override {
  readonly collectionGroup: string;
  readonly fieldPath: string;
  readonly indexes: readonly { readonly order?: string; readonly arrayConfig?: string }[];
}
interface Indexes {
  readonly indexes: readonly Index[];
  readonly fieldOverrides: readonly Override[];
}

const text = readFileSync(new URL('../../../firestore.indexes.json', import.meta.url), 'utf8');
const file: Indexes = JSON.parse(text);
const names = Object.keys(QUERIES) as QueryName[];

describe('firestore.indexes.json', () => {
  test('is what the catalogue gives (node scripts/firestore-indexes.ts)', () => {
    expect(text).toBe(firestoreIndexesText());
  });

  test.each(names)('covers every form of %s', (query) => {
    for (const plan of plansOf(query))
      expect(isCovered(file, plan), JSON.stringify(plan)).toBe(true);
  });

  test('has no index that no query needs', () => {
    for (const index of file.indexes) {
      const others = file.indexes.filter((each) => each !== index);
      expect(uncovered({ ...file, indexes: others }), JSON.stringify(index)).not.toEqual([]);
    }
  });

  test('turns no single-field index off that a query needs, and all others', () => {
    const kept = file.fieldOverrides.filter(({ indexes }) => indexes.length > 0);
    expect(kept).not.toEqual([]);
    for (const override of kept) {
      const rest = file.fieldOverrides.filter((each) => each !== override);
      const without = { ...file, fieldOverrides: [...rest, { ...override, indexes: [] }] };
      expect(uncovered(without), JSON.stringify(override)).not.toEqual([]);
    }
    for (const { collectionGroup } of file.fieldOverrides) {
      for (const fieldPath of ['json', 'commit', 'stampedAt', 'q']) {
        expect(file.fieldOverrides).toContainEqual({
          collectionGroup,
          fieldPath,
          ttl: false,
          indexes: [],
        });
      }
    }
  });

  // https://cloud.google.com/firestore/quotas, read 2026-12: without billing enabled 200 composite indexes, and 200 configurations of fields.
  test('stays below the limits of a database', () => {
    expect(file.indexes.length).toBeLessThanOrEqual(200);
    expect(file.fieldOverrides.length).toBeLessThanOrEqual(200);
  });
});

/** What the adapter asks for a query, with every choice of what may be given. */
function plansOf(query: QueryName): FirestorePlan[] {
  const spec = querySpec(query);
  const required = Object.fromEntries(spec.equals.map((name) => [name, 'x']));
  const choices: [string, string | number][] = (spec.optional ?? []).map((name) => [name, 'x']);
  if (spec.facet === true) choices.push(['facet', 'flag:a=b']);
  if (spec.range !== undefined) choices.push(['atMost', 1]);
  return Array.from({ length: 2 ** choices.length }, (_, mask) => {
    const given = choices.filter((_, bit) => (mask & (2 ** bit)) !== 0);
    return planQuery(query, { ...required, ...Object.fromEntries(given) });
  });
}

function uncovered(indexes: Indexes): FirestorePlan[] {
  return names.flatMap(plansOf).filter((plan) => !isCovered(indexes, plan));
}

// https://firebase.google.com/docs/firestore/query-data/index-overview, read 2026-12: the equalities and the facet in any order and nothing else,
// then the order field in its direction. Every plan has an order, so no merge of single-field indexes can answer one with an equality.
function isCovered(indexes: Indexes, plan: FirestorePlan): boolean {
  const direction = plan.order.direction === 'asc' ? 'ASCENDING' : 'DESCENDING';
  const before = [
    ...plan.equalities.map(({ field }) => `${field} =`),
    ...(plan.contains === null ? [] : [`${plan.contains.field} CONTAINS`]),
  ].sort();
  if (before.length === 0) return hasSingle(indexes, plan, direction);
  return indexes.indexes.some(({ collectionGroup, queryScope, fields }) => {
    const last = fields.at(-1);
    const first = fields.slice(0, -1).map((each) => `${each.fieldPath} ${each.arrayConfig ?? '='}`);
    return (
      collectionGroup === plan.collection &&
      queryScope === 'COLLECTION' &&
      first.sort().join() === before.join() &&
      last?.fieldPath === plan.order.field &&
      last.order === direction
    );
  });
}

function hasSingle(
  indexes: Indexes,
  { collection, order }: FirestorePlan,
  direction: string,
): boolean {
  const override = indexes.fieldOverrides.find(
    (each) => each.collectionGroup === collection && each.fieldPath === order.field,
  );
  return override === undefined || override.indexes.some((each) => each.order === direction);
}
