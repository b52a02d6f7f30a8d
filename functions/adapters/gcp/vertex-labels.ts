import type { PlatformJob } from '../../ports/platform.ts';

/** Labels that tell whose job it is; nothing of a user ever stands for them. */
const INSTANCE = 'caliban';
const JOB = 'caliban_job';
const ATTEMPT = 'caliban_attempt';

/** Of a job, ours included: what the API's reference says of labels of other resources (read 2026-08); custom jobs are assumed alike. */
const MAX_LABELS = 64;
const VALUE = /^[a-z0-9_-]{1,63}$/;
// Google's own.
const RESERVED = /^(?:goog|vertex-ai)-/;

/** The labels of a job, and those of the user that found no room or stand for something of Google's. */
export interface VertexLabels {
  readonly labels: Readonly<Record<string, string>>;
  readonly dropped: readonly string[];
}

/**
 * Ours, and as many of the job's own as there is room for; the last ones are dropped first. `instance`: which caliban it is. They must be
 * made from what is fit for a label already, see `isLabelValue`.
 */
export function vertexLabels(
  instance: string,
  job: Pick<PlatformJob, 'jobId' | 'attempt' | 'labels'>,
): VertexLabels {
  const ours = {
    [INSTANCE]: instance,
    [JOB]: job.jobId,
    [ATTEMPT]: String(job.attempt),
  };
  const keys = Object.keys(job.labels);
  const usable = keys.filter((key) => !(key in ours) && !RESERVED.test(key));
  const kept = usable.slice(0, MAX_LABELS - Object.keys(ours).length);
  const taken = Object.fromEntries(kept.map((key) => [key, job.labels[key] ?? '']));
  return {
    labels: { ...taken, ...ours },
    dropped: keys.filter((key) => !kept.includes(key)),
  };
}

/** Whether a text can be the value of a label as it is. */
export function isLabelValue(text: string): boolean {
  return VALUE.test(text);
}

/** Which of our jobs a job is, or null when its labels are of no job of this service. */
export function jobOfLabels(
  instance: string,
  labels: Readonly<Record<string, string>>,
): { readonly jobId: string; readonly attempt: number } | null {
  const jobId = labels[JOB] ?? '';
  const attempt = labels[ATTEMPT] ?? '';
  if (labels[INSTANCE] !== instance || !VALUE.test(jobId)) return null;
  return /^[1-9]\d{0,8}$/.test(attempt) ? { jobId, attempt: Number(attempt) } : null;
}

/** The filter of all jobs of this service, or of those of one job id. */
export function labelFilter(instance: string, jobId: string | null = null): string {
  const own = `labels.${INSTANCE}=${filterText(instance)}`;
  return jobId === null ? own : `${own} AND labels.${JOB}=${filterText(jobId)}`;
}

/** A text as a value in a filter of a Google API (https://google.aip.dev/160#literals, read 2026-11). */
export function filterText(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
