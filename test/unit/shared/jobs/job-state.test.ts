import fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  isActive,
  isLegalMove,
  isTerminal,
  JOB_STATES,
  type JobState,
  shownState,
} from '../../../../shared/jobs/job-state.ts';

const anyState = fc.constantFrom(...JOB_STATES);
const TERMINAL = JOB_STATES.filter(isTerminal);

// The life of a job as design.md tells it, said a second time in other words: by what each state is about to learn.
const MODEL: Readonly<Record<JobState, (to: JobState) => boolean>> = {
  QUEUED: (to) => to === 'SUBMITTING' || to === 'STOPPED' || to === 'FAILED',
  SUBMITTING: (to) => to !== 'SUBMITTING' && to !== 'UNKNOWN',
  SUBMITTED: (to) => to === 'RUNNING' || to === 'UNKNOWN' || isTerminal(to),
  RUNNING: (to) => to === 'UNKNOWN' || isTerminal(to),
  UNKNOWN: (to) => to === 'SUBMITTED' || to === 'RUNNING' || isTerminal(to),
  SUCCEEDED: () => false,
  FAILED: () => false,
  STOPPED: () => false,
};

describe('job states', () => {
  test('the terminal states are SUCCEEDED, FAILED and STOPPED', ({ expect }) => {
    expect(TERMINAL).toEqual(['SUCCEEDED', 'FAILED', 'STOPPED']);
  });

  test('a move is legal exactly when the model says so', ({ expect }) => {
    fc.assert(
      fc.property(anyState, anyState, (from, to) => {
        expect(isLegalMove(from, to)).toBe(MODEL[from](to));
      }),
      { numRuns: 500 },
    );
  });

  test('a terminal state never moves, whatever is asked of it', ({ expect }) => {
    fc.assert(
      fc.property(fc.constantFrom(...TERMINAL), fc.array(anyState), (start, asked) => {
        expect(walk(start, asked)).toBe(start);
      }),
    );
  });

  test('from every state that is not terminal each terminal state can be reached, from QUEUED too', ({
    expect,
  }) => {
    for (const start of JOB_STATES.filter((state) => !isTerminal(state))) {
      expect([...reachable(start)], start).toEqual(expect.arrayContaining([...TERMINAL]));
    }
  });

  test('nothing succeeds without having been with its platform', ({ expect }) => {
    expect(isLegalMove('QUEUED', 'SUCCEEDED')).toBe(false);
    expect(isLegalMove('QUEUED', 'RUNNING')).toBe(false);
  });

  test('staying is not a move', ({ expect }) => {
    for (const state of JOB_STATES) expect(isLegalMove(state, state), state).toBe(false);
  });

  test('exactly what may be on its platform counts against the lane', ({ expect }) => {
    expect(JOB_STATES.filter(isActive)).toEqual(['SUBMITTING', 'SUBMITTED', 'RUNNING', 'UNKNOWN']);
  });

  test('users see the names of the original: what is not running yet is SUBMITTED', ({
    expect,
  }) => {
    expect(JOB_STATES.map(shownState)).toEqual([
      'SUBMITTED',
      'SUBMITTED',
      'SUBMITTED',
      'RUNNING',
      'UNKNOWN',
      'SUCCEEDED',
      'FAILED',
      'STOPPED',
    ]);
  });
});

function walk(start: JobState, asked: readonly JobState[]): JobState {
  return asked.reduce((state, to) => (isLegalMove(state, to) ? to : state), start);
}

function reachable(start: JobState): Set<JobState> {
  const seen = new Set<JobState>([start]);
  // A Set visits what is added while it is walked.
  for (const state of seen) {
    for (const to of JOB_STATES) if (isLegalMove(state, to)) seen.add(to);
  }
  return seen;
}
