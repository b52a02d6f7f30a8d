import { JOB_STATES, type JobState } from '../../../shared/jobs/job-state.ts';
import type { CountsDoc } from '../../ports/documents.ts';
import type { Stored } from '../../ports/store.ts';
import { type CountsScope, countsIdOf, recount } from '../counts.ts';
import type { CoreDeps } from '../deps.ts';
import { getOne } from '../records.ts';
import { type Difference, versionOf } from './difference.ts';

type CountsDeps = Pick<CoreDeps, 'store' | 'clock' | 'timing'>;

/**
 * Counts the jobs of a scope anew and compares with the kept counts: with settled ones always, with others if no job of the group
 * changed since they were made. Who reads stale ones makes them anew, so stale ones are not wrong.
 */
export async function countsFaults(
  deps: CountsDeps,
  scope: CountsScope,
  of: { readonly subject: string; readonly groupId: string },
): Promise<Difference[]> {
  const kept = await getOne(deps, 'counts', countsIdOf(scope));
  if (kept === undefined) return [];
  const { settled, computedAt } = kept.value;
  if (!settled && (await changedSince(deps, of.groupId, computedAt))) return [];
  const real = await recount(deps, scope);
  const wrong = JOB_STATES.filter((state) => real.byState[state] !== kept.value.byState[state]);
  if (wrong.length === 0 && (!settled || real.settled)) return [];
  return [differenceOf(kept, { real, wrong, subject: of.subject, groupId: of.groupId })];
}

/** Whether a job of the group changed at an instant or later, as far as clocks agree. */
export async function changedSince(
  deps: CountsDeps,
  groupId: string,
  instant: number,
): Promise<boolean> {
  const after = { value: instant - deps.timing.skewMs, id: '' };
  const page = await deps.store.list('changedJobsOfGroup', { groupId }, { limit: 1, after });
  return page.items.length > 0;
}

function differenceOf(
  kept: Stored<'counts'>,
  on: {
    readonly real: CountsDoc;
    readonly wrong: readonly JobState[];
    readonly subject: string;
    readonly groupId: string;
  },
): Difference {
  const { real, wrong } = on;
  const told = (counts: CountsDoc) =>
    [
      ...wrong.map((state) => `${counts.byState[state]} ${state}`),
      ...(kept.value.settled && !real.settled ? [counts.settled ? 'settled' : 'not settled'] : []),
    ].join(', ');
  return {
    kind: 'counts',
    subject: on.subject,
    ids: { countsId: kept.key.id, groupId: on.groupId },
    found: `kept: ${told(kept.value)}`,
    expected: `counted: ${told(real)}`,
    fix: 'If jobs are missing too, restore a backup. Else submit anything to the group: its counts are then made anew.',
    basis: [versionOf(kept)],
  };
}
