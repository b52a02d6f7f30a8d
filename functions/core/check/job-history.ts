import { LIMITS } from '../../../shared/api/limits.ts';
import { isLegalMove } from '../../../shared/jobs/job-state.ts';
import type { JobDoc, Move } from '../../ports/documents.ts';
import type { Stored } from '../../ports/store.ts';
import { type Difference, LOST, versionOf } from './difference.ts';

/** What is wrong with a job's history, if something is: no beginning, a gap, an illegal move, or another end than the job's state. */
export function historyFaultOf(job: Stored<'jobs'>): Difference[] {
  const { id, submissionId } = job.value;
  const fault = faultIn(job.value);
  if (fault === undefined) return [];
  return [
    {
      kind: 'history',
      subject: `job ${id}`,
      ids: { jobId: id, submissionId },
      ...fault,
      fix: LOST,
      basis: [versionOf(job)],
    },
  ];
}

interface Fault {
  readonly found: string;
  readonly expected: string;
}

function faultIn({ history, state }: JobDoc): Fault | undefined {
  const [first] = history;
  const last = history.at(-1);
  if (first === undefined || last === undefined) {
    return { found: 'no history', expected: 'a history that begins with acceptance' };
  }
  if (first.from !== null || (first.to !== 'QUEUED' && first.to !== 'FAILED')) {
    return {
      found: `it begins with ${first.from ?? 'nothing'} to ${first.to}`,
      expected: 'it begins as QUEUED, or as FAILED where there was nothing to run in',
    };
  }
  const broken = brokenMove(history);
  if (broken !== undefined) return broken;
  if (last.to === state) return undefined;
  return { found: `its last move is to ${last.to}`, expected: `the state ${state}` };
}

// A long history lost moves behind its first one.
function brokenMove(history: readonly Move[]): Fault | undefined {
  const isCut = history.length >= LIMITS.history;
  for (const [at, move] of history.entries()) {
    const before = history[at - 1];
    if (before === undefined) continue;
    const { from, to } = move;
    if (from === null || (from !== before.to && !(isCut && at === 1))) {
      return {
        found: `move ${at} is from ${from ?? 'nothing'}`,
        expected: `from ${before.to}, where move ${at - 1} led`,
      };
    }
    if (from !== to && !isLegalMove(from, to)) {
      return { found: `move ${at} is from ${from} to ${to}`, expected: 'a legal move' };
    }
  }
  return undefined;
}
