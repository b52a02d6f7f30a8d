import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { storedFields } from '../functions/adapters/gcp/firestore-documents.ts';
import { fieldPath } from '../functions/adapters/gcp/firestore-plan.ts';
import type { Collection } from '../functions/ports/documents.ts';
import { QUERIES, type QueryName, type QuerySpec } from '../functions/ports/queries.ts';
import { querySpec } from '../functions/ports/store-rules.ts';
import { root } from './run.ts';

// Writes firestore.indexes.json from the catalogue of queries. Equalities and facet of a query, then its order field, then the document id in
// the same direction, which Firestore adds by itself. Single-field indexes are turned off, but for the order of queries that filter nothing:
// the others would cost storage and time with each write, and cap a collection at some 500 writes a second where a value rises with time.

interface IndexField {
  readonly fieldPath: string;
  readonly order?: 'ASCENDING' | 'DESCENDING';
  readonly arrayConfig?: 'CONTAINS';
}

interface CompositeIndex {
  readonly collectionGroup: string;
  readonly queryScope: 'COLLECTION';
  readonly fields: readonly IndexField[];
}

interface SingleFieldIndex {
  readonly order: 'ASCENDING' | 'DESCENDING';
  readonly queryScope: 'COLLECTION';
}

interface FieldOverride {
  readonly collectionGroup: string;
  readonly fieldPath: string;
  readonly ttl: false;
  readonly indexes: readonly SingleFieldIndex[];
}

/** The content of firestore.indexes.json, as the Firebase CLI takes it. */
export interface FirestoreIndexes {
  readonly indexes: readonly CompositeIndex[];
  readonly fieldOverrides: readonly FieldOverride[];
}

/** All indexes that the catalogue needs, and no other. */
export function firestoreIndexes(): FirestoreIndexes {
  const specs = (Object.keys(QUERIES) as QueryName[]).map(querySpec);
  return {
    indexes: unique(specs.flatMap(compositesOf)),
    fieldOverrides: Object.keys(COLLECTIONS).flatMap((collection) =>
      overridesOf(collection as Collection, specs),
    ),
  };
}

/** The file's text. */
export function firestoreIndexesText(): string {
  return `${JSON.stringify(firestoreIndexes(), null, 2)}\n`;
}

const COLLECTIONS: Readonly<Record<Collection, true>> = {
  submissions: true,
  configs: true,
  groups: true,
  experiments: true,
  jobs: true,
  chunks: true,
  lanes: true,
  builds: true,
  counts: true,
  syncs: true,
  outbox: true,
};

// One for every choice of what may be given.
function compositesOf(spec: QuerySpec): CompositeIndex[] {
  const facets = spec.facet === true ? [false, true] : [false];
  return subsets(spec.optional ?? []).flatMap((given) =>
    facets.flatMap((hasFacet) => {
      const equal = [...spec.equals, ...given].map(
        (name): IndexField => ({ fieldPath: fieldPath(name), order: 'ASCENDING' }),
      );
      const facet: IndexField[] = hasFacet
        ? [{ fieldPath: fieldPath('facets'), arrayConfig: 'CONTAINS' }]
        : [];
      if (equal.length + facet.length === 0) return [];
      const last: IndexField = { fieldPath: fieldPath(spec.orderBy), order: directionOf(spec) };
      return [
        {
          collectionGroup: spec.collection,
          queryScope: 'COLLECTION' as const,
          fields: [...equal, ...facet, last],
        },
      ];
    }),
  );
}

function overridesOf(collection: Collection, specs: readonly QuerySpec[]): FieldOverride[] {
  const unfiltered = specs.filter(
    (spec) => spec.collection === collection && spec.equals.length === 0,
  );
  return storedFields(collection).map((path) => ({
    collectionGroup: collection,
    fieldPath: path,
    ttl: false,
    indexes: unfiltered
      .filter((spec) => fieldPath(spec.orderBy) === path)
      .map((spec) => ({ order: directionOf(spec), queryScope: 'COLLECTION' })),
  }));
}

function directionOf({ direction }: QuerySpec): 'ASCENDING' | 'DESCENDING' {
  return direction === 'asc' ? 'ASCENDING' : 'DESCENDING';
}

function subsets(names: readonly string[]): string[][] {
  return Array.from({ length: 2 ** names.length }, (_, mask) =>
    names.filter((_, bit) => (mask & (2 ** bit)) !== 0),
  );
}

function unique(indexes: readonly CompositeIndex[]): CompositeIndex[] {
  return [...new Map(indexes.map((index) => [JSON.stringify(index), index])).values()];
}

if (import.meta.main) {
  writeFileSync(join(root, 'firestore.indexes.json'), firestoreIndexesText());
}
