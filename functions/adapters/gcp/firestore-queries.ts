import type { Query } from '@google-cloud/firestore';
import type { Cursor } from '../../ports/store.ts';
import type { LoadedFirestore } from './firestore-client.ts';
import { documentId } from './firestore-documents.ts';
import type { FirestorePlan } from './firestore-plan.ts';

/** The query of a plan, from its beginning. */
export function queryOf({ firestore, library }: LoadedFirestore, plan: FirestorePlan): Query {
  const { field, direction } = plan.order;
  let query: Query = firestore.collection(plan.collection);
  for (const { field, value } of plan.equalities) query = query.where(field, '==', value);
  if (plan.contains !== null) {
    query = query.where(plan.contains.field, 'array-contains', plan.contains.value);
  }
  if (plan.atMost !== null) query = query.where(field, '<=', plan.atMost);
  return query.orderBy(field, direction).orderBy(library.FieldPath.documentId(), direction);
}

/** The query of a plan behind a place, if one is given. */
export function queryBehind(
  loaded: LoadedFirestore,
  plan: FirestorePlan,
  after: Cursor | undefined,
): Query {
  const query = queryOf(loaded, plan);
  return after === undefined ? query : query.startAfter(after.value, documentId(after));
}
