import { isActive, isTerminal } from '../../../shared/jobs/job-state.ts';
import type { JobDoc } from '../../ports/documents.ts';
import type { Stored } from '../../ports/store.ts';
import { type Difference, LOST, versionOf } from './difference.ts';

/** Everything of a job that does not go with its state. */
export function contradictionsOf(job: Stored<'jobs'>): Difference[] {
  const { id, submissionId, state } = job.value;
  return RULES.filter(({ holds }) => !holds(job.value)).map(({ found, expected }) => ({
    kind: 'job',
    subject: `job ${id}`,
    ids: { jobId: id, submissionId },
    found: `${state}, and ${found(job.value)}`,
    expected,
    fix: LOST,
    basis: [versionOf(job)],
  }));
}

interface Rule {
  holds(job: JobDoc): boolean;
  found(job: JobDoc): string;
  readonly expected: string;
}

const RULES: readonly Rule[] = [
  {
    holds: ({ live, state }) => live === !isTerminal(state),
    found: ({ live }) => `live is ${live}`,
    expected: 'live until the state is final',
  },
  {
    holds: ({ active, state }) => active === isActive(state),
    found: ({ active }) => `active is ${active}`,
    expected: 'active while it may hold something on its platform',
  },
  {
    holds: ({ finishedAt, state }) => (finishedAt !== null) === isTerminal(state),
    found: ({ finishedAt }) => (finishedAt === null ? 'no end' : 'an end'),
    expected: 'an instant of its end exactly when the state is final',
  },
  {
    holds: ({ exitCode, state }) => exitCode === null || isTerminal(state),
    found: ({ exitCode }) => `exit code ${exitCode}`,
    expected: 'no exit code before the end',
  },
  {
    holds: ({ exitCode, state }) => state !== 'SUCCEEDED' || exitCode === null || exitCode === 0,
    found: ({ exitCode }) => `exit code ${exitCode}`,
    expected: 'success only with exit code 0',
  },
  {
    holds: ({ missedAt, state }) => (missedAt !== null) === (state === 'UNKNOWN'),
    found: ({ missedAt }) => (missedAt === null ? 'never missed' : 'missed'),
    expected: 'missed exactly while UNKNOWN',
  },
  {
    holds: ({ claim, claimUntil, state }) =>
      state === 'SUBMITTING' ? claim !== null && claimUntil > 0 : claimUntil === 0,
    found: ({ claim, claimUntil }) => `${claim === null ? 'no claim' : 'a claim'} (${claimUntil})`,
    expected: 'a claim with a term exactly while SUBMITTING',
  },
  {
    holds: ({ ref, state }) => ref !== null || !isActive(state) || state === 'SUBMITTING',
    found: () => 'no name on its platform',
    expected: 'a name on its platform from SUBMITTED on',
  },
  {
    holds: ({ ref, state, exitCode, startedAt }) =>
      ref !== null || (state !== 'SUCCEEDED' && exitCode === null && startedAt === null),
    found: () => 'no name on its platform, though it ran there',
    expected: 'the name under which it ran',
  },
];
