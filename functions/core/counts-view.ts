import type { CountsView } from '../../shared/api/groups.ts';
import { JOB_STATES, shownState } from '../../shared/jobs/job-state.ts';
import type { CountsDoc } from '../ports/documents.ts';
import { zeroCounts } from './counts.ts';
import { instantText } from './instant-text.ts';

/** Counts by the states a user knows. */
export function countsView(counts: Pick<CountsDoc, 'byState' | 'computedAt'>): CountsView {
  const shown = { SUBMITTED: 0, RUNNING: 0, SUCCEEDED: 0, FAILED: 0, STOPPED: 0, UNKNOWN: 0 };
  let total = 0;
  for (const state of JOB_STATES) {
    const count = counts.byState[state];
    shown[shownState(state)] += count;
    total += count;
  }
  return { ...shown, total, at: instantText(counts.computedAt) };
}

/** No job yet. */
export function noCounts(at: number): CountsView {
  return countsView({ byState: zeroCounts(), computedAt: at });
}
