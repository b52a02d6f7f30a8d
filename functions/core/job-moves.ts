import { LIMITS } from '../../shared/api/limits.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Cause } from '../../shared/jobs/cause.ts';
import { isActive, isLegalMove, isTerminal, type JobState } from '../../shared/jobs/job-state.ts';
import type { JobDoc, Move } from '../ports/documents.ts';

/** What changes with a move besides state and history. */
type Changes = Partial<Omit<JobDoc, 'state' | 'live' | 'active' | 'history' | 'cause'>>;

/** The job after a legal move, with its history. Throws on an illegal one: that is a bug. */
export function moved(
  job: JobDoc,
  move: { readonly to: JobState; readonly at: number; readonly cause: Cause },
  changes: Changes = {},
): JobDoc {
  const { to, at, cause } = move;
  if (!isLegalMove(job.state, to)) {
    throw new AppError('INTERNAL', `Job ${job.id} cannot move from ${job.state} to ${to}.`, {
      context: { jobId: job.id, from: job.state, to },
    });
  }
  const terminal = isTerminal(to);
  return {
    ...job,
    // A job that goes back to waiting keeps its claim's epoch: the next claim must be told from the last.
    ...(to === 'SUBMITTING' || to === 'QUEUED' ? {} : { claim: null }),
    ...(to === 'SUBMITTING' ? {} : { claimUntil: 0 }),
    ...(terminal ? { finishedAt: at } : {}),
    ...(to === 'UNKNOWN' ? {} : { missedAt: null }),
    ...changes,
    state: to,
    live: !terminal,
    active: isActive(to),
    cause,
    history: appended(job.history, { at, from: job.state, to, cause }),
  };
}

/** The job with a note in its history that moves nothing. */
export function noted(
  job: JobDoc,
  note: { readonly at: number; readonly cause: Cause },
  changes: Changes = {},
): JobDoc {
  const { at, cause } = note;
  return {
    ...job,
    ...changes,
    cause,
    history: appended(job.history, { at, from: job.state, to: job.state, cause }),
  };
}

// The first move (acceptance) and the newest ones tell the story; the middle goes first.
function appended(history: readonly Move[], move: Move): readonly Move[] {
  if (history.length < LIMITS.history) return [...history, move];
  return [...history.slice(0, 1), ...history.slice(2), move];
}
