import type { SubmissionDoc } from '../ports/documents.ts';
import { put } from '../ports/store.ts';
import { everySubmission } from './check/submissions-from.ts';
import type { CoreDeps } from './deps.ts';
import { commitAndPublish } from './outbox.ts';

type Deps = Pick<CoreDeps, 'store' | 'queue' | 'clock' | 'random' | 'log'>;

/**
 * Makes submissions whose jobs still wait prepare their virtualenv or image anew: for records that were copied to where it may not be.
 * Jobs that run or have ended need none. Returns how many submissions it were.
 */
export async function forgetEnvironments(deps: Deps): Promise<number> {
  let forgotten = 0;
  for await (const { stored } of everySubmission(deps, null)) {
    const { value, version, key } = stored;
    if (!needsEnvironment(value) || !(await hasWaitingJobs(deps, value))) continue;
    const waiting: SubmissionDoc = {
      ...value,
      imageState: 'waiting',
      run: null,
      buildId: null,
      openLane: null,
    };
    const message = { kind: 'image', submissionId: value.id } as const;
    await commitAndPublish(deps, [put(key, waiting, { version })], [{ message }]);
    forgotten += 1;
  }
  return forgotten;
}

function needsEnvironment({ imageState, ending, run }: SubmissionDoc): boolean {
  const isOpen = imageState === 'ready' && ending === 'none';
  return isOpen && (run?.kind === 'image' || (run?.kind === 'workspace' && run.venvKey !== null));
}

async function hasWaitingJobs(
  { store }: Deps,
  { id: submissionId, expanded }: SubmissionDoc,
): Promise<boolean> {
  if (!expanded) return true;
  for (const state of ['QUEUED', 'SUBMITTING'] as const) {
    if ((await store.count('jobsOfSubmissionByState', { submissionId, state })) > 0) return true;
  }
  return false;
}
