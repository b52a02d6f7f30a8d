import type { Cause } from '../../../../shared/jobs/cause.ts';
import type { AttemptEnd } from './attempt-record.ts';

/** What is known of an attempt that is over. `at`: when it ended, or when that was found out. `cause`: unless a stop was asked for. */
export interface Ending {
  readonly startedAt: number | null;
  readonly at: number;
  readonly exitCode: number | null;
  readonly stopRequested: boolean;
  readonly cause: Cause;
}

/** The end of an attempt. Whatever ends after a stop was asked for is STOPPED; nothing ends before it started. */
export function attemptEnd(ending: Ending): AttemptEnd {
  const { startedAt, exitCode, stopRequested } = ending;
  const times = { startedAt, finishedAt: Math.max(ending.at, startedAt ?? 0), exitCode };
  if (stopRequested) return { state: 'STOPPED', ...times, cause: stopCause(startedAt) };
  return { state: exitCode === 0 ? 'SUCCEEDED' : 'FAILED', ...times, cause: ending.cause };
}

function stopCause(startedAt: number | null): Cause {
  const message = startedAt === null ? 'Stopped before it started.' : 'Stopped as requested.';
  return { code: 'stop-requested', message };
}
