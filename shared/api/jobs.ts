import * as z from 'zod';
import { CAUSE_CODES } from '../jobs/cause.ts';
import { JOB_STATES } from '../jobs/job-state.ts';
import { PLATFORM_KINDS } from '../jobs/platform-kind.ts';
import { groupRef } from './groups.ts';
import { LIMITS } from './limits.ts';
import { count, cursorParameter, instant, nextCursor, pageQuery, wholeNumber } from './page.ts';

const shown = z.enum(['SUBMITTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED', 'UNKNOWN']);
const cause = z.object({ code: z.enum(CAUSE_CODES), message: z.string() });

/** One move of a job, oldest first in a history. */
const moveView = z
  .object({ at: instant, from: z.enum(JOB_STATES).nullable(), to: z.enum(JOB_STATES), cause })
  .meta({ id: 'Move' });

/** A job. `state` is what users know; `stage` the service's own state. */
export const jobView = z
  .object({
    id: z.string(),
    submissionId: z.string(),
    experimentId: z.string(),
    group: groupRef,
    index: count,
    state: shown,
    stage: z.enum(JOB_STATES),
    cause,
    platform: z.enum(PLATFORM_KINDS),
    lane: z.string(),
    attempt: count,
    /** Flags of the experiment as the program gets them, after the script args. */
    flags: z.array(z.string()),
    exitCode: z.number().int().nullable(),
    /** What it runs in (image or environment), once known. */
    container: z.string().nullable(),
    /** The platform's name for it. */
    ref: z.string().nullable(),
    stopRequested: z.boolean(),
    createdAt: instant,
    startedAt: instant.nullable(),
    finishedAt: instant.nullable(),
  })
  .meta({ id: 'Job' });

/** A job as shown. */
export type JobView = z.infer<typeof jobView>;

/** One job with everything known about it. */
export const jobDetail = jobView
  .extend({
    command: z.array(z.string()),
    name: z.string().nullable(),
    labels: z.record(z.string(), z.string()),
    module: z.string(),
    history: z.array(moveView),
    logCommand: z.string(),
    /** Where it is looked at in its platform's console. */
    consoleLink: z.string().nullable(),
  })
  .meta({ id: 'JobDetail' });

/** One job in full. */
export type JobDetail = z.infer<typeof jobDetail>;

/** Filters of job lists. `facet`: `label:K=V` or `flag:K=V`. */
export const jobFilters = {
  state: z.enum(JOB_STATES).optional(),
  platform: z.enum(PLATFORM_KINDS).optional(),
  facet: z.string().min(6).max(LIMITS.facetLength).optional(),
};

/** `GET /v1/groups/{g}/jobs`. */
export const groupJobsQuery = z.object({ ...pageQuery, ...jobFilters });

/** `GET /v1/submissions/{id}/jobs`. */
export const submissionJobsQuery = z.object({ ...pageQuery, state: z.enum(JOB_STATES) });

/** `GET /v1/jobs`: most recent first; `owner` as for groups. */
export const recentJobsQuery = z.object({
  ...pageQuery,
  owner: z.string().max(200).optional(),
  state: jobFilters.state,
  platform: jobFilters.platform,
});

/** A page of jobs. */
export const jobsPage = z
  .object({ jobs: z.array(jobView), next: nextCursor })
  .meta({ id: 'JobsPage' });

/** An experiment: one point of a sweep. */
export const experimentSummary = z
  .object({
    id: z.string(),
    group: groupRef,
    /** What it was packed from: shown as the original's docker config line. */
    environment: z.object({
      id: z.string(),
      mode: z.enum(['cpu', 'gpu']),
      path: z.string(),
      extraDirs: z.array(z.string()),
    }),
    module: z.string(),
    scriptPath: z.string(),
    scriptArgs: z.array(z.string()),
    /** Flags in file order with their text; booleans as True and False. */
    flags: z.array(z.tuple([z.string(), z.string()]).meta({ minItems: 2, maxItems: 2 })),
    createdAt: instant,
  })
  .meta({ id: 'ExperimentSummary' });

/** An experiment as shown. */
export type ExperimentSummary = z.infer<typeof experimentSummary>;

/** An experiment with its newest jobs, oldest of them first. */
export const experimentView = experimentSummary
  .extend({ jobs: z.array(jobView) })
  .meta({ id: 'Experiment' });

/** An experiment with jobs, as shown. */
export type ExperimentView = z.infer<typeof experimentView>;

/** `GET /v1/groups/{g}/experiments`: oldest first, with at most `maxJobs` jobs each (0: none). */
export const experimentsQuery = z.object({
  ...pageQuery,
  maxJobs: wholeNumber(0, 100).default(1),
  facet: jobFilters.facet,
});

/** A page of experiments. */
export const experimentsPage = z
  .object({ experiments: z.array(experimentView), next: nextCursor })
  .meta({ id: 'ExperimentsPage' });

/**
 * `GET /v1/jobs/{id}/logs`: text; `follow` streams until the job ended; `since` is a cursor from `X-Caliban-Log-Cursor`.
 * `grep`: only lines that hold this text.
 */
export const logQuery = z.object({
  follow: z.enum(['true', 'false']).default('false'),
  since: z.union([cursorParameter, z.literal('')]).default(''),
  grep: z.string().min(1).max(LIMITS.logGrepLength).optional(),
});

/** `GET /v1/jobs`: jobs, newest first, and the experiments they belong to. */
export const recentJobsPage = jobsPage
  .extend({ experiments: z.array(experimentSummary) })
  .meta({ id: 'RecentJobsPage' });
