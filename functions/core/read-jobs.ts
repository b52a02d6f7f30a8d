import type { ExperimentSummary, JobDetail, JobView } from '../../shared/api/jobs.ts';
import type { JobState } from '../../shared/jobs/job-state.ts';
import type { PlatformKind } from '../../shared/jobs/platform-kind.ts';
import type { GroupDoc } from '../ports/documents.ts';
import type { Cursor } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { getMany } from './get-many.ts';
import { jobDetail, jobViews } from './job-view.ts';
import { type PageRequest, pageOf, present } from './page-of.ts';
import { experimentSummary } from './read-experiments.ts';
import { EVERYONE } from './read-groups.ts';
import { getJob, getSubmission } from './records.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

/** What a list of jobs is narrowed to. */
export interface JobFilters {
  readonly state: JobState | undefined;
  readonly platform: PlatformKind | undefined;
}

/** Jobs of a group in the order they were accepted. `facet`: `label:K=V` or `flag:K=V`. */
export async function listGroupJobs(
  deps: StoreDeps,
  group: GroupDoc,
  request: PageRequest & JobFilters & { readonly facet: string | undefined },
): Promise<{ readonly jobs: JobView[]; readonly next: Cursor | undefined }> {
  const { state, platform, facet } = request;
  const params = { groupId: group.id, ...present({ platform, facet }) };
  const page = await (state === undefined
    ? deps.store.list('jobsOfGroup', params, pageOf(request))
    : deps.store.list('jobsOfGroupByState', { ...params, state }, pageOf(request)));
  const jobs = await jobViews(
    deps,
    page.items.map(({ value }) => value),
  );
  return { jobs, next: page.next };
}

/** Jobs of a submission in one state, always in the same order. Throws SUBMISSION_NOT_FOUND. */
export async function listSubmissionJobs(
  deps: StoreDeps,
  submissionId: string,
  request: PageRequest & { readonly state: JobState },
): Promise<{ readonly jobs: JobView[]; readonly next: Cursor | undefined }> {
  await getSubmission(deps, submissionId);
  const { state } = request;
  const page = await deps.store.list(
    'jobsOfSubmissionByState',
    { submissionId, state },
    pageOf(request),
  );
  const jobs = await jobViews(
    deps,
    page.items.map(({ value }) => value),
  );
  return { jobs, next: page.next };
}

/** Jobs of one owner's groups, or everyone's, newest first, and the experiments they belong to. */
export async function listRecentJobs(
  deps: StoreDeps,
  request: PageRequest & JobFilters & { readonly owner: string },
): Promise<{
  readonly jobs: JobView[];
  readonly experiments: ExperimentSummary[];
  readonly next: Cursor | undefined;
}> {
  const owner = request.owner === EVERYONE ? undefined : request.owner;
  const { state, platform } = request;
  const page = await deps.store.list(
    'recentJobs',
    present({ owner, state, platform }),
    pageOf(request),
  );
  const jobs = await jobViews(
    deps,
    page.items.map(({ value }) => value),
  );
  const groups = new Map(jobs.map((job) => [job.group.id, job.group]));
  const experiments = await getMany(
    deps,
    'experiments',
    jobs.map((job) => job.experimentId),
  );
  return {
    jobs,
    experiments: [...experiments.values()].flatMap((experiment) => {
      const group = groups.get(experiment.groupId);
      return group === undefined ? [] : [experimentSummary(experiment, group)];
    }),
    next: page.next,
  };
}

/** One job in full. Throws JOB_NOT_FOUND. */
export async function readJob(deps: StoreDeps, id: string): Promise<JobDetail> {
  const { value: job } = await getJob(deps, id);
  const { value: submission } = await getSubmission(deps, job.submissionId);
  return jobDetail(job, submission);
}

/** Jobs of a group that changed after a place, oldest change first, each with the place behind it. */
export async function listChangedJobs(
  deps: StoreDeps,
  group: GroupDoc,
  request: PageRequest,
): Promise<readonly { readonly job: JobView; readonly at: Cursor }[]> {
  const { items } = await deps.store.list(
    'changedJobsOfGroup',
    { groupId: group.id },
    pageOf(request),
  );
  const views = await jobViews(
    deps,
    items.map(({ value }) => value),
  );
  return views.map((job, index) => ({
    job,
    at: { value: items[index]?.changedAt ?? 0, id: job.id },
  }));
}
