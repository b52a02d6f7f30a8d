import pLimit from 'p-limit';
import type { ExperimentSummary, ExperimentView } from '../../shared/api/jobs.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import type { ExperimentDoc, GroupDoc, JobDoc } from '../ports/documents.ts';
import type { Cursor } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { instantText } from './instant-text.ts';
import { jobViews } from './job-view.ts';
import { type PageRequest, pageOf, present } from './page-of.ts';
import { groupRef } from './read-groups.ts';

const PARALLEL_LISTS = 8;

/**
 * Experiments of a group, oldest first, each with its `maxJobs` newest jobs (0 to 100), oldest of them first. A page has
 * fewer experiments than asked for where more than `LIMITS.pageJobs` jobs would be in it.
 */
export async function listExperiments(
  deps: Pick<CoreDeps, 'store'>,
  group: GroupDoc,
  request: PageRequest & { readonly maxJobs: number; readonly facet: string | undefined },
): Promise<{ readonly experiments: ExperimentView[]; readonly next: Cursor | undefined }> {
  const { maxJobs, facet, after } = request;
  const fitting = Math.floor(LIMITS.pageJobs / Math.max(maxJobs, 1));
  const page = await deps.store.list(
    'experimentsOfGroup',
    { groupId: group.id, ...present({ facet }) },
    pageOf({ after, limit: Math.min(request.limit, fitting) }),
  );
  const limit = pLimit(PARALLEL_LISTS);
  const newest = await limit.map(page.items, ({ value }) => newestJobs(deps, value.id, maxJobs));
  const views = await jobViews(deps, newest.flat());
  let from = 0;
  const experiments = page.items.map(({ value }, index) => {
    const end = from + (newest[index]?.length ?? 0);
    const jobs = views.slice(from, end);
    from = end;
    return { ...experimentSummary(value, groupRef(group)), jobs };
  });
  return { experiments, next: page.next };
}

/** An experiment as shown. */
export function experimentSummary(
  experiment: ExperimentDoc,
  group: { readonly id: string; readonly owner: string; readonly name: string },
): ExperimentSummary {
  const { id, mode, path, extraDirs } = experiment.environment;
  return {
    id: experiment.id,
    group,
    environment: { id, mode, path, extraDirs: [...extraDirs] },
    module: experiment.module,
    scriptPath: experiment.scriptPath,
    scriptArgs: [...experiment.scriptArgs],
    flags: experiment.flags.map(([name, value]) => [name, value]),
    createdAt: instantText(experiment.createdAt),
  };
}

async function newestJobs(
  deps: Pick<CoreDeps, 'store'>,
  experimentId: string,
  count: number,
): Promise<JobDoc[]> {
  if (count === 0) return [];
  const { items } = await deps.store.list('jobsOfExperiment', { experimentId }, { limit: count });
  return items.map(({ value }) => value).reverse();
}
