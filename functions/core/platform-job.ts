import { AppError } from '../../shared/errors/app-error.ts';
import { jobLabels } from '../../shared/labels/labels.ts';
import type { JobDoc, SubmissionDoc } from '../ports/documents.ts';
import type { PlatformJob } from '../ports/platform.ts';

/** What a platform is asked to create for a job. Names carry job id and attempt, never the epoch. */
export function platformJob(job: JobDoc, submission: SubmissionDoc, createBy: number): PlatformJob {
  if (submission.run === null) {
    throw new AppError(
      'INTERNAL',
      `Job ${job.id} was claimed before its submission had something to run.`,
    );
  }
  return {
    jobId: job.id,
    attempt: job.attempt,
    lane: job.lane,
    name: nameOf(submission),
    run: submission.run,
    command: submission.command,
    args: [...submission.scriptArgs, ...job.flags],
    labels: labelsOf(job, submission),
    hardware: submission.hardware,
    createBy,
  };
}

/** What of a submission its jobs' labels are made from. */
export type Labelled = Pick<
  SubmissionDoc,
  'hardware' | 'image' | 'labels' | 'name' | 'principal' | 'run' | 'scriptArgs'
>;

/** The labels of a job, weakest first: built-in, the user's, those of its arguments. */
export function labelsOf(
  job: Pick<JobDoc, 'flags'>,
  submission: Labelled,
): Readonly<Record<string, string>> {
  return jobLabels({
    builtIn: {
      gpu: submission.hardware.gpu !== null,
      tpu: submission.hardware.tpu !== null,
      jobName: nameOf(submission),
      image: containerOf(submission) ?? '',
    },
    user: Object.entries(submission.labels),
    args: [...submission.scriptArgs, ...job.flags],
  });
}

/** The display name of a submission's jobs. */
export function nameOf(submission: Pick<SubmissionDoc, 'name' | 'principal'>): string {
  return submission.name ?? `caliban_${submission.principal}`;
}

/** What its jobs run in, as text for people: the image, or the environment and code of a workspace; null while unknown. */
export function containerOf(submission: Pick<SubmissionDoc, 'image' | 'run'>): string | null {
  const { run, image } = submission;
  if (run === null) return image;
  if (run.kind === 'image') return run.digest;
  return run.venvKey === null ? 'python' : `venv:${run.venvKey.slice(0, 12)}`;
}
