import type { JobView } from '../../shared/api/jobs.ts';
import type { Principal } from '../ports/authenticator.ts';
import type { CoreDeps } from './deps.ts';
import { stopJob } from './ending.ts';
import { jobView } from './job-view.ts';
import { requireOwner } from './permissions.ts';
import { getJob, getSubmission } from './records.ts';

/**
 * Stops one job and gives it as it is then. Nothing for a job that has ended. Throws JOB_NOT_FOUND, FORBIDDEN unless the
 * caller submitted it, owns its group, or is an admin.
 */
export async function stopOneJob(
  deps: CoreDeps,
  principal: Principal,
  id: string,
): Promise<JobView> {
  const { value: job } = await getJob(deps, id);
  const { value: submission } = await getSubmission(deps, job.submissionId);
  requireOwner(principal, `Job ${id}`, [job.owner, submission.principal]);
  return jobView(await stopJob(deps, id), submission);
}
