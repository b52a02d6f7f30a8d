import type { JobDetail, JobView } from '../../shared/api/jobs.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Cause } from '../../shared/jobs/cause.ts';
import { consoleLinkOf } from '../../shared/jobs/console-link.ts';
import { shownState } from '../../shared/jobs/job-state.ts';
import type { JobDoc, SubmissionDoc } from '../ports/documents.ts';
import type { CoreDeps } from './deps.ts';
import { getMany } from './get-many.ts';
import { instantOrNull, instantText } from './instant-text.ts';
import { containerOf, labelsOf, nameOf } from './platform-job.ts';

/** Jobs as shown; their submissions are read once each. */
export async function jobViews(
  deps: Pick<CoreDeps, 'store'>,
  jobs: readonly JobDoc[],
): Promise<JobView[]> {
  const submissions = await getMany(
    deps,
    'submissions',
    jobs.map((job) => job.submissionId),
  );
  return jobs.map((job) => {
    const submission = submissions.get(job.submissionId);
    if (submission === undefined) {
      throw new AppError('INTERNAL', `Job ${job.id} has no submission.`);
    }
    return jobView(job, submission);
  });
}

/** A job as shown. */
export function jobView(job: JobDoc, submission: SubmissionDoc): JobView {
  return {
    id: job.id,
    submissionId: job.submissionId,
    experimentId: job.experimentId,
    group: { id: job.groupId, owner: job.owner, name: submission.groupName },
    index: job.index,
    state: shownState(job.state),
    stage: job.state,
    cause: waitOf(job, submission) ?? job.cause,
    platform: job.platform,
    lane: job.lane,
    attempt: job.attempt,
    flags: [...job.flags],
    exitCode: job.exitCode,
    container: containerOf(submission),
    ref: job.ref,
    stopRequested: job.stopRequestedAt !== null,
    createdAt: instantText(job.createdAt),
    startedAt: instantOrNull(job.startedAt),
    finishedAt: instantOrNull(job.finishedAt),
  };
}

// Of the submission, not written to each of its jobs: a sweep has many, and the wait may end at once.
function waitOf({ state }: JobDoc, { imageState, imageWait }: SubmissionDoc): Cause | null {
  const isWaiting = state === 'QUEUED' && imageState === 'waiting';
  if (!isWaiting) return null;
  return {
    code: 'waiting-for-image',
    message: imageWait ?? 'Its image or environment is being prepared.',
  };
}

/** One job with everything known about it. */
export function jobDetail(job: JobDoc, submission: SubmissionDoc): JobDetail {
  return {
    ...jobView(job, submission),
    command: [...submission.command, ...submission.scriptArgs, ...job.flags],
    name: nameOf(submission),
    labels: labelsOf(job, submission),
    module: submission.module,
    history: job.history.map((move) => ({ ...move, at: instantText(move.at) })),
    logCommand: `caliban logs ${job.id}`,
    consoleLink: consoleLinkOf(job.platform, job.ref),
  };
}
