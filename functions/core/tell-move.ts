import type { JobDoc } from '../ports/documents.ts';
import type { CoreDeps } from './deps.ts';

/** Tells of a job's newest move, or note, that was committed: one line in the log, one more in the counts. */
export function tellMove(deps: Pick<CoreDeps, 'log' | 'meters'>, job: JobDoc): void {
  const move = job.history.at(-1);
  if (move === undefined) return;
  const { id: jobId, submissionId, attempt, lane, ref } = job;
  const { to, cause } = move;
  const from = move.from ?? 'none';
  deps.log.info(
    { jobId, submissionId, attempt, from, to, cause: cause.code, ref },
    from === to ? 'job noted' : 'job moved',
  );
  if (from !== to) deps.meters.count('caliban_job_moves_total', { lane, from, to });
}
