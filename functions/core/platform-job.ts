import { jobLabels } from '../../shared/labels/labels.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { JobDoc, SubmissionDoc } from '../ports/documents.ts';
import type { PlatformJob } from '../ports/platform.ts';

/** What a platform is asked to create for a job. Names carry job id and attempt, never the epoch. */
export function platformJob(job: JobDoc, submission: SubmissionDoc, createBy: number): PlatformJob {
  if (submission.run === null) {
    throw new AppError('INTERNAL', `Job ${job.id} was claimed before its submission had something to run.`);
  }
  return {
    jobId: job.id,
    attempt: job.attempt,
    lane: job.lane,
    name: submission.name ?? `caliban_${submission.principal}`,
    run: submission.run,
    command: submission.command,
    args: [...submission.scriptArgs, ...job.flags],
    labels: labelsOf(job, submission),
    hardware: submission.hardware,
    createBy,
  };
}

/** The labels of a job, weakest first: built-in, the user's, those of its arguments. */
export function labelsOf(job: Pick<JobDoc, 'flags'>, submission: SubmissionDoc): Readonly<Record<string, string>> {
  const builtIn: [string, string][] = [
    ['gpu_enabled', String(submission.hardware.gpu !== null)],
    ['tpu_enabled', String(submission.hardware.tpu !== null)],
    ['job_name', submission.name ?? `caliban_${submission.principal}`],
  ];
  if (submission.image !== null) builtIn.push(['docker_image', submission.image]);
  return jobLabels({ builtIn, user: Object.entries(submission.labels), args: [...submission.scriptArgs, ...job.flags] });
}
