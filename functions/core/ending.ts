import type { Cause } from '../../shared/jobs/cause.ts';
import type { JobDoc, SubmissionDoc } from '../ports/documents.ts';
import { put, StaleVersion, type Stored, type Write } from '../ports/store.ts';
import { staleCountsOf } from './counts.ts';
import type { CoreDeps } from './deps.ts';
import { moved } from './job-moves.ts';
import { commitAndPublish } from './outbox.ts';
import { getJob, getSubmission } from './records.ts';
import { retryStale } from './retry-stale.ts';
import { tellMove } from './tell-move.ts';

const STOPPED_BY_USER: Cause = {
  code: 'stop-requested',
  message: 'Stopped on request before it started.',
};

/** How a submission is to end, before its jobs do by themselves. */
export interface Ending {
  readonly state: 'STOPPED' | 'FAILED';
  readonly cause: Cause;
}

/** Asks for the end of a submission: a mark that expand and drain read before they act, and a pass that repeats until no job lives. */
export async function requestEnding(
  deps: CoreDeps,
  submissionId: string,
  ending: Ending,
): Promise<void> {
  await retryStale(async () => {
    const stored = await getSubmission(deps, submissionId);
    if (stored.value.endingState === 'STOPPED' || stored.value.endingState === ending.state) {
      // Asked for again: whatever became of the first message, there is one now.
      if (stored.value.ending === 'requested') {
        await commitAndPublish(deps, [], [{ message: { kind: 'stop', submissionId } }]);
      }
      return;
    }
    const marked: SubmissionDoc = {
      ...stored.value,
      ending: 'requested',
      endingState: ending.state,
      endingCause: ending.cause,
      openLane: null,
      ...(ending.state === 'STOPPED'
        ? { stopRequestedAt: deps.clock.now() }
        : { imageState: 'failed' as const }),
    };
    await commitAndPublish(
      deps,
      [put(stored.key, marked, { version: stored.version })],
      [{ message: { kind: 'stop', submissionId } }],
    );
    const { state: to, cause } = ending;
    deps.log.info({ submissionId, to, cause: cause.code }, 'end of submission requested');
  });
}

/** Whether chunks of the submission are still written: not after a stop, but without an image, as FAILED jobs. */
export function stillCreatesJobs(submission: SubmissionDoc): boolean {
  return submission.endingCause === null || submission.endingCause.code === 'image-failed';
}

/** What stopping by a person means for a submission. */
export function stopEnding(): Ending {
  return { state: 'STOPPED', cause: STOPPED_BY_USER };
}

/**
 * One pass towards the desired end: what waits is ended, what may be on its platform is cancelled. Repeats itself (by
 * message) until no job of the submission lives; idempotent.
 */
export async function endSubmission(deps: CoreDeps, submissionId: string): Promise<void> {
  const { value: submission } = await getSubmission(deps, submissionId);
  if (submission.ending === 'none') return;
  let live = 0;
  for (let last = -1; ; ) {
    const page = await deps.store.list(
      'liveJobsOfSubmission',
      { submissionId, live: true },
      { limit: 200, ...(last < 0 ? {} : { after: { value: last, id: '~' } }) },
    );
    live += await endJobs(deps, submission, page.items);
    const end = page.items.at(-1);
    if (page.next === undefined || end === undefined) break;
    last = end.value.index;
    // Of a million jobs a pass takes minutes: it must not keep an ending host from its end.
    await deps.waitOnLane(submission.lane, 0);
  }
  if (live === 0 && (await closeEnded(deps, submissionId))) return;
  const again = deps.clock.now() + deps.timing.stopRepeatMs;
  await commitAndPublish(deps, [], [{ message: { kind: 'stop', submissionId }, notBefore: again }]);
}

// Returns how many of the jobs still live.
async function endJobs(
  deps: CoreDeps,
  submission: SubmissionDoc,
  jobs: readonly Stored<'jobs'>[],
): Promise<number> {
  const waiting = jobs.filter(({ value }) => value.state === 'QUEUED');
  const ended = await endWaiting(deps, submission, waiting);
  for (const job of jobs) {
    if (job.value.state !== 'QUEUED') await stopUnlessChanged(deps, job);
  }
  return jobs.length - ended;
}

async function endWaiting(
  deps: CoreDeps,
  submission: SubmissionDoc,
  jobs: readonly Stored<'jobs'>[],
): Promise<number> {
  if (jobs.length === 0) return 0;
  const ending = {
    state: submission.endingState ?? 'STOPPED',
    cause: submission.endingCause ?? STOPPED_BY_USER,
  };
  const ended = jobs.map((job) => ({
    job,
    after: moved(job.value, { to: ending.state, at: deps.clock.now(), cause: ending.cause }),
  }));
  const writes = ended.map(
    ({ job, after }): Write => put(job.key, after, { version: job.version }),
  );
  // A chunk that was being written when the end was already done: its jobs were in nobody's counts.
  const late = submission.ending === 'done' ? staleCountsOf(submission) : [];
  try {
    await deps.store.commit([...writes, ...late]);
    for (const { after } of ended) tellMove(deps, after);
    return jobs.length;
  } catch (error) {
    // A drainer claimed one of them meanwhile: the next pass sees which.
    if (error instanceof StaleVersion) return 0;
    throw error;
  }
}

// A job that changed meanwhile is met by the next pass.
async function stopUnlessChanged(deps: CoreDeps, job: Stored<'jobs'>): Promise<void> {
  try {
    await stopOnPlatform(deps, job);
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
  }
}

/**
 * Marks one job that may be on its platform and asks the platform to end it. Sync asks again as long as it lives. Throws
 * StaleVersion when the job changed meanwhile: then it is not marked.
 */
export async function stopOnPlatform(deps: CoreDeps, job: Stored<'jobs'>): Promise<void> {
  if (job.value.stopRequestedAt === null) {
    const marked: JobDoc = { ...job.value, stopRequestedAt: deps.clock.now() };
    await deps.store.commit([put(job.key, marked, { version: job.version })]);
    deps.log.info(toldOf(marked), 'stop of job requested');
  }
  const { ref, platform } = job.value;
  if (ref === null) return;
  try {
    await deps.platforms.get(platform)?.cancel(ref);
  } catch (error) {
    const told = { ...toldOf(job.value), error: String(error) };
    deps.log.warn(told, 'cancel failed; sync asks again');
  }
}

function toldOf({ id: jobId, submissionId, attempt }: JobDoc) {
  return { jobId, submissionId, attempt };
}

/** Stops one job: what waits is STOPPED at once, what runs is asked to end. Nothing for a job that has ended. */
export async function stopJob(deps: CoreDeps, jobId: string): Promise<JobDoc> {
  await retryStale(async () => {
    const job = await getJob(deps, jobId);
    if (!job.value.live) return;
    if (job.value.state === 'QUEUED') {
      const after = moved(job.value, {
        ...{ to: 'STOPPED', at: deps.clock.now(), cause: STOPPED_BY_USER },
      });
      await deps.store.commit([put(job.key, after, { version: job.version })]);
      tellMove(deps, after);
    } else {
      await stopOnPlatform(deps, job);
    }
  });
  return (await getJob(deps, jobId)).value;
}

// A failed submission keeps its experiments: it is over only when all of them are there.
async function closeEnded(deps: CoreDeps, submissionId: string): Promise<boolean> {
  return retryStale(async () => {
    const stored = await getSubmission(deps, submissionId);
    const submission = stored.value;
    if (submission.ending === 'done') return true;
    if (stillCreatesJobs(submission) && !submission.expanded) return false;
    await deps.store.commit([
      put(
        stored.key,
        { ...submission, ending: 'done', expanded: true, openLane: null },
        { version: stored.version },
      ),
    ]);
    deps.log.info({ submissionId, to: submission.endingState }, 'submission ended');
    return true;
  });
}
