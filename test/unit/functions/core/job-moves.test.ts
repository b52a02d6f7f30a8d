import fc from 'fast-check';
import { describe, test } from 'vitest';
import { moved, noted } from '../../../../functions/core/job-moves.ts';
import { LIMITS } from '../../../../shared/api/limits.ts';
import {
  isActive,
  isLegalMove,
  isTerminal,
  JOB_STATES,
} from '../../../../shared/jobs/job-state.ts';
import { aJob, START } from '../../../doubles/builders.ts';

const cause = { code: 'platform', message: 'Because.' } as const;
const claim = { epoch: 3, holder: 'h', claimedAt: 1, createBy: 2, outcomeUnknown: false };

describe('moving a job', () => {
  test('a legal move is made and told, an illegal one is a bug', ({ expect }) => {
    const pairs = fc.tuple(fc.constantFrom(...JOB_STATES), fc.constantFrom(...JOB_STATES));
    fc.assert(
      fc.property(pairs, ([from, to]) => {
        const job = aJob({ state: from });
        if (!isLegalMove(from, to)) {
          expect(() => moved(job, { to, at: 5, cause })).toThrow(`from ${from} to ${to}`);
          return;
        }
        const after = moved(job, { to, at: 5, cause });
        expect(after).toMatchObject({
          state: to,
          live: !isTerminal(to),
          active: isActive(to),
          cause,
        });
        expect(after.history.at(-1)).toEqual({ at: 5, from, to, cause });
      }),
      { numRuns: 300 },
    );
  });

  test('an end has an instant: now, or the one the platform tells', ({ expect }) => {
    const job = aJob({ state: 'RUNNING' });
    expect(moved(job, { to: 'FAILED', at: 5, cause }).finishedAt).toBe(5);
    expect(moved(job, { to: 'FAILED', at: 5, cause }, { finishedAt: 4 }).finishedAt).toBe(4);
  });

  test('the claim ends when the job leaves the gate; its epoch stays while the job waits again', ({
    expect,
  }) => {
    const job = aJob({ state: 'SUBMITTING', claim, claimUntil: 99 });
    expect(moved(job, { to: 'SUBMITTED', at: 5, cause })).toMatchObject({
      claim: null,
      claimUntil: 0,
    });
    expect(moved(job, { to: 'QUEUED', at: 5, cause })).toMatchObject({ claim, claimUntil: 0 });
  });

  test('a job that is found again is no longer missed', ({ expect }) => {
    const job = aJob({ state: 'UNKNOWN', missedAt: 7 });
    expect(moved(job, { to: 'RUNNING', at: 8, cause }).missedAt).toBeNull();
  });

  test('a note is told and moves nothing', ({ expect }) => {
    const job = aJob({ state: 'RUNNING' });
    const after = noted(job, { at: 5, cause });
    expect(after).toMatchObject({ state: 'RUNNING', live: true, active: true, cause });
    expect(after.history.at(-1)).toEqual({ at: 5, from: 'RUNNING', to: 'RUNNING', cause });
  });

  test('a long history keeps its first move and its newest ones', ({ expect }) => {
    let job = aJob({ state: 'RUNNING' });
    for (let at = 1; at <= 200; at++) job = noted(job, { at, cause });
    expect(job.history).toHaveLength(LIMITS.history);
    expect(job.history[0]).toMatchObject({ at: START, from: null, to: 'QUEUED' });
    expect(job.history.slice(1).map(({ at }) => at)).toEqual(
      Array.from({ length: LIMITS.history - 1 }, (_, i) => 200 - (LIMITS.history - 2) + i),
    );
  });
});
