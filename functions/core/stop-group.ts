import pLimit from 'p-limit';
import type { StopView } from '../../shared/api/groups.ts';
import { isActive, JOB_STATES } from '../../shared/jobs/job-state.ts';
import type { Principal } from '../ports/authenticator.ts';
import type { GroupDoc, SubmissionDoc } from '../ports/documents.ts';
import { recount } from './counts.ts';
import type { CoreDeps } from './deps.ts';
import { requestEnding, stopEnding } from './ending.ts';
import { requireOwner } from './permissions.ts';
import { everyOf } from './records.ts';

const PARALLEL_STOPS = 8;

/**
 * Asks for the end of every submission of a group that is not over, and tells what that reaches; with `dryRun` it only
 * tells. Stopping again is the same wish again. Throws FORBIDDEN unless the caller owns the group or is an admin.
 */
export async function stopGroup(
  deps: CoreDeps,
  request: { readonly principal: Principal; readonly group: GroupDoc; readonly dryRun: boolean },
): Promise<StopView> {
  const { principal, group, dryRun } = request;
  requireOwner(principal, `xgroup ${group.name}`, [group.owner]);
  const view: StopView = { dryRun, waiting: 0, active: 0, notCreated: 0, submissions: 0 };
  const limit = pLimit(PARALLEL_STOPS);
  let batch: SubmissionDoc[] = [];
  const stopBatch = async () => {
    const reached = await limit.map(batch, (submission) => stopOne(deps, submission, dryRun));
    for (const each of reached) add(view, each);
    batch = [];
  };
  for await (const { value } of everyOf(deps, 'submissionsOfGroup', { groupId: group.id })) {
    if (batch.push(value) === PARALLEL_STOPS) await stopBatch();
  }
  await stopBatch();
  return view;
}

type Reached = Omit<StopView, 'dryRun' | 'submissions'>;

async function stopOne(
  deps: CoreDeps,
  submission: SubmissionDoc,
  dryRun: boolean,
): Promise<Reached | undefined> {
  if (submission.expanded && (await liveJobs(deps, submission)) === 0) return undefined;
  const reached = await reachedBy(deps, submission);
  if (!dryRun) await requestEnding(deps, submission.id, stopEnding());
  return reached;
}

function liveJobs(deps: CoreDeps, submission: SubmissionDoc): Promise<number> {
  return deps.store.count('liveJobsOfSubmission', { submissionId: submission.id, live: true });
}

async function reachedBy(deps: CoreDeps, doc: SubmissionDoc): Promise<Reached> {
  const { byState } = await recount(deps, { kind: 'submission', doc });
  const created = JOB_STATES.reduce((sum, state) => sum + byState[state], 0);
  const active = JOB_STATES.filter(isActive).reduce((sum, state) => sum + byState[state], 0);
  return {
    waiting: byState.QUEUED,
    active,
    notCreated: doc.expanded ? 0 : Math.max(0, doc.count - created),
  };
}

function add(view: StopView, reached: Reached | undefined): void {
  if (reached === undefined) return;
  view.waiting += reached.waiting;
  view.active += reached.active;
  view.notCreated += reached.notCreated;
  view.submissions += 1;
}
