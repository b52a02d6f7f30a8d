import type { Stored } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { getOne } from '../records.ts';
import type { Place } from './check-stage.ts';
import { bothFrom, type Placed } from './documents-from.ts';

/** A submission on the way, and the place behind it. `from`: its first part that was not looked at. */
export interface SubmissionOnTheWay {
  readonly submission: Stored<'submissions'>;
  readonly place: Place;
  readonly from: number;
}

/** Every submission behind a place. One with a fourth part is inside a submission: that one comes first, from the part behind it. */
export async function* submissionsFrom(
  deps: Pick<CoreDeps, 'store'>,
  after: Place | null,
): AsyncGenerator<SubmissionOnTheWay> {
  const [pass = 0, acceptedAt, id = '', part] = after ?? [];
  const begin = acceptedAt === undefined ? null : [pass, acceptedAt, id];
  if (begin !== null && part !== undefined) {
    const submission = await getOne(deps, 'submissions', String(id));
    if (submission !== undefined) yield { submission, place: begin, from: Number(part) + 1 };
  }
  for await (const { stored, place } of everySubmission(deps, begin)) {
    yield { submission: stored, place, from: 0 };
  }
}

/** Every submission behind a place; those that are not expanded come first. */
export function everySubmission(
  deps: Pick<CoreDeps, 'store'>,
  after: Place | null,
): AsyncGenerator<Placed<'submissions'>> {
  return bothFrom(deps, 'submissionsToExpand', { params: (expanded) => ({ expanded }), after });
}
