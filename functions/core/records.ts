import { AppError } from '../../shared/errors/app-error.ts';
import type { Collection } from '../ports/documents.ts';
import type { QueryCollection, QueryName, QueryParams } from '../ports/queries.ts';
import type { Cursor, Key, Store, Stored } from '../ports/store.ts';

type StoreDeps = { readonly store: Store };

/** One document, or undefined. */
export async function getOne<C extends Collection>(
  deps: StoreDeps,
  collection: C,
  id: string,
): Promise<Stored<C> | undefined> {
  const [found] = await deps.store.get([{ collection, id } satisfies Key<C>]);
  return found;
}

/** A submission that a message or a job speaks of; it was committed before either. */
export async function getSubmission(deps: StoreDeps, id: string): Promise<Stored<'submissions'>> {
  const found = await getOne(deps, 'submissions', id);
  if (found === undefined) {
    throw new AppError('SUBMISSION_NOT_FOUND', `No submission ${id}.`, {
      hint: 'Take an id as submitting gave it; see your jobs with: caliban status',
    });
  }
  return found;
}

/** A job, or JOB_NOT_FOUND. */
export async function getJob(deps: StoreDeps, id: string): Promise<Stored<'jobs'>> {
  const found = await getOne(deps, 'jobs', id);
  if (found === undefined) {
    throw new AppError('JOB_NOT_FOUND', `No job ${id}.`, {
      hint: 'List yours with: caliban status',
    });
  }
  return found;
}

/** Every document of a query, page by page; for lists that are bounded by nature, or consumed as they come. */
export async function* everyOf<Q extends QueryName>(
  deps: StoreDeps,
  query: Q,
  params: QueryParams<Q>,
): AsyncGenerator<Stored<QueryCollection<Q>>, void> {
  let after: Cursor | undefined;
  do {
    const page = await deps.store.list(query, params, {
      limit: 200,
      ...(after === undefined ? {} : { after }),
    });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}
