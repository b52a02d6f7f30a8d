import type { Collection } from '../../ports/documents.ts';
import type { QueryName, Scalar } from '../../ports/queries.ts';
import { querySpec } from '../../ports/store-rules.ts';

/** Fields of a stored document; see firestore-documents.ts. */
export const FIELD = {
  /** The document, as JSON: never queried, so it costs no index. */
  json: 'json',
  /** Top-level scalars that the catalogue names, by name, and the facets: a map. */
  queried: 'q',
  /** When Firestore got the commit, by its own clock (ms); see firestore-changes.ts. */
  stampedAt: 'stampedAt',
  /** The commit that wrote it. */
  commit: 'commit',
} as const;

/** A query as Firestore is asked it; always ordered by (order field, document id), counts too, so that both use one index. */
export interface FirestorePlan {
  readonly collection: Collection;
  readonly equalities: readonly { readonly field: string; readonly value: Scalar }[];
  readonly contains: { readonly field: string; readonly value: string } | null;
  readonly order: { readonly field: string; readonly direction: 'asc' | 'desc' };
  /** Inclusive bound of the order field from above. */
  readonly atMost: number | null;
}

/** What a query of the catalogue asks; `params` as its type has them. */
export function planQuery(query: QueryName, params: object): FirestorePlan {
  const spec = querySpec(query);
  const given = new Map<string, Scalar>(Object.entries(params));
  const named = [...spec.equals, ...(spec.optional ?? [])];
  const facet = given.get('facet');
  const atMost = given.get('atMost');
  return {
    collection: spec.collection,
    equalities: named.flatMap((name) => {
      const value = given.get(name);
      return value === undefined ? [] : [{ field: fieldPath(name), value }];
    }),
    contains: typeof facet === 'string' ? { field: fieldPath('facets'), value: facet } : null,
    order: { field: fieldPath(spec.orderBy), direction: spec.direction },
    atMost: typeof atMost === 'number' ? atMost : null,
  };
}

/** Where a name of the catalogue is in a stored document. */
export function fieldPath(name: string): string {
  return name === 'changedAt' ? FIELD.stampedAt : `${FIELD.queried}.${name}`;
}
