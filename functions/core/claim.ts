import type { Cause } from '../../shared/jobs/cause.ts';
import type { Claim, JobDoc, SubmissionDoc } from '../ports/documents.ts';
import { type Platform, PlatformRefusal } from '../ports/platform.ts';
import { put, StaleVersion, type Stored } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { stopOnPlatform } from './ending.ts';
import { gateMessage } from './gate.ts';
import { moved } from './job-moves.ts';
import { platformJob } from './platform-job.ts';
import { getJob } from './records.ts';
import { retryStale } from './retry-stale.ts';
import { tellMove } from './tell-move.ts';

/** What became of one submit: `busy` asks the lane to wait. */
export type SubmitOutcome =
  | { readonly kind: 'submitted' }
  | { readonly kind: 'over' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'busy'; readonly untilMs: number };

/**
 * Claims QUEUED jobs, in one commit where it can: compare-and-set on each job's version, so that of two drainers one gets a job.
 * Returns the jobs as claimed, without those that changed meanwhile.
 */
export async function claimJobs(
  deps: CoreDeps,
  holder: string,
  jobs: readonly Stored<'jobs'>[],
): Promise<Stored<'jobs'>[]> {
  const claimed = jobs.map((job) => ({ job, value: claimedJob(deps, holder, job.value) }));
  try {
    await deps.store.commit(
      claimed.map(({ job, value }) => put(job.key, value, { version: job.version })),
    );
  } catch (error) {
    if (!(error instanceof StaleVersion)) throw error;
    return jobs.length === 1 ? [] : claimOneByOne(deps, holder, jobs);
  }
  for (const { value } of claimed) tellMove(deps, value);
  const stored = await deps.store.get(claimed.map(({ job }) => job.key));
  return stored
    .filter((job) => job !== undefined && job.value.claim?.holder === holder)
    .filter((job) => job !== undefined);
}

// One of them changed meanwhile: the others are still ours to claim.
async function claimOneByOne(
  deps: CoreDeps,
  holder: string,
  jobs: readonly Stored<'jobs'>[],
): Promise<Stored<'jobs'>[]> {
  const claimed: Stored<'jobs'>[] = [];
  for (const job of jobs) claimed.push(...(await claimJobs(deps, holder, [job])));
  return claimed;
}

function claimedJob(deps: CoreDeps, holder: string, job: JobDoc): JobDoc {
  const now = deps.clock.now();
  const { createDeadlineMs, listLagMs } = timesOf(deps, job);
  const createBy = now + createDeadlineMs;
  const claim: Claim = {
    epoch: (job.claim?.epoch ?? 0) + 1,
    holder,
    claimedAt: now,
    createBy,
    outcomeUnknown: false,
  };
  return moved(
    job,
    { to: 'SUBMITTING', at: now, cause: { code: 'claimed', message: gateMessage(job, job.lane) } },
    { claim, claimUntil: createBy + listLagMs + deps.timing.skewMs, notBefore: 0 },
  );
}

function timesOf(deps: CoreDeps, job: JobDoc): Pick<Platform, 'createDeadlineMs' | 'listLagMs'> {
  return deps.platforms.get(job.platform) ?? { createDeadlineMs: 30_000, listLagMs: 60_000 };
}

/**
 * Creates the platform job of a claimed job and commits what came of it under the claim. An unknown outcome leaves the job
 * SUBMITTING: after the grace the next drainer finds out.
 */
export async function submitClaimed(
  deps: CoreDeps,
  job: Stored<'jobs'>,
  submission: SubmissionDoc,
): Promise<SubmitOutcome> {
  const platform = deps.platforms.get(job.value.platform);
  const claim = job.value.claim;
  if (platform === undefined || claim === null) return { kind: 'unknown' };
  // A drainer that slept past its claim must not create any more: someone else may have.
  if (deps.clock.now() >= claim.createBy) return { kind: 'unknown' };
  try {
    const { ref } = await platform.submit(platformJob(job.value, submission, claim.createBy));
    return await commitSubmitted(deps, job, ref);
  } catch (error) {
    if (error instanceof PlatformRefusal) return commitRefusal(deps, job, error);
    deps.log.warn(
      { jobId: job.value.id, error: String(error) },
      'outcome of the submit is unknown',
    );
    return { kind: 'unknown' };
  }
}

async function commitSubmitted(
  deps: CoreDeps,
  claimed: Stored<'jobs'>,
  ref: string,
): Promise<SubmitOutcome> {
  const cause: Cause = {
    code: 'submitted',
    message: `Taken by ${claimed.value.platform} as ${ref}.`,
  };
  return retryStale(async () => {
    const job = await getJob(deps, claimed.value.id);
    const standing = standingOf(job.value, claimed.value, ref);
    if (standing === 'ours') {
      const after = moved(
        job.value,
        { to: 'SUBMITTED', at: deps.clock.now(), cause: cause },
        { ref },
      );
      await deps.store.commit([put(job.key, after, { version: job.version })]);
      tellMove(deps, after);
      if (job.value.stopRequestedAt !== null)
        await stopOnPlatform(deps, await getJob(deps, job.value.id));
      return { kind: 'submitted' };
    }
    // A takeover that still looks around will find this one by its label and adopt it; sync ends what nobody adopted.
    if (standing === 'another') await deps.platforms.get(job.value.platform)?.cancel(ref);
    return { kind: 'over' };
  });
}

/** What a claimed job that was read again is to its claim. `ref`: the platform job that was made, '' for none. */
export function standingOf(
  job: JobDoc,
  claimed: JobDoc,
  ref: string,
): 'ours' | 'adopted' | 'taken-over' | 'another' {
  if (job.ref === ref) return 'adopted';
  if (job.state !== 'SUBMITTING') return 'another';
  return job.claim?.epoch === claimed.claim?.epoch && job.claim?.holder === claimed.claim?.holder
    ? 'ours'
    : 'taken-over';
}

async function commitRefusal(
  deps: CoreDeps,
  claimed: Stored<'jobs'>,
  refusal: PlatformRefusal,
): Promise<SubmitOutcome> {
  const now = deps.clock.now();
  const untilMs = now + refusal.retryAfterMs;
  const words = refusal.hint === null ? refusal.message : `${refusal.message} ${refusal.hint}`;
  return retryStale(async () => {
    const job = await getJob(deps, claimed.value.id);
    if (standingOf(job.value, claimed.value, '') !== 'ours') return { kind: 'over' };
    const after =
      refusal.kind === 'quota'
        ? putBack(job.value, now, {
            cause: { code: 'waiting-for-quota', message: words },
            notBefore: untilMs,
          })
        : moved(job.value, { to: 'FAILED', at: now, cause: { code: 'refused', message: words } });
    await deps.store.commit([put(job.key, after, { version: job.version })]);
    tellMove(deps, after);
    return refusal.kind === 'quota' ? { kind: 'busy', untilMs } : { kind: 'over' };
  });
}

/** Why, and until when, a job waits again. */
export interface Waits {
  readonly cause: Cause;
  readonly notBefore: number;
}

/** The job as it waits again, for nothing of it is on the platform; or as it ends, when its stop was asked for meanwhile. */
export function putBack(job: JobDoc, now: number, waits: Waits): JobDoc {
  if (job.stopRequestedAt !== null) {
    return moved(job, {
      to: 'STOPPED',
      at: now,
      cause: {
        code: 'stop-requested',
        message: 'Stopped on request; it never reached its platform.',
      },
    });
  }
  const { cause, notBefore } = waits;
  return moved(job, { to: 'QUEUED', at: now, cause }, { notBefore });
}

/** Whether a job that was read earlier may still be claimed. */
export function isClaimable(job: JobDoc, now: number): boolean {
  return job.state === 'QUEUED' && job.notBefore <= now;
}
