import type { Cause } from '../../shared/jobs/cause.ts';
import { isTerminal } from '../../shared/jobs/job-state.ts';
import type { Claim, JobDoc } from '../ports/documents.ts';
import type { Observation } from '../ports/platform.ts';
import { put, StaleVersion, type Stored } from '../ports/store.ts';
import { putBack, standingOf, type Waits } from './claim.ts';
import type { CoreDeps } from './deps.ts';
import { moved, noted } from './job-moves.ts';
import { getJob } from './records.ts';
import { retryStale } from './retry-stale.ts';
import { tellMove } from './tell-move.ts';

/**
 * Finds out about claims whose drainer is gone, after the grace (create deadline + list lag): takes the claim over, looks the job
 * up by its label, adopts what is there, or puts the job back: then nothing was made. Returns how many it settled.
 */
export async function recoverClaims(deps: CoreDeps, lane: string, holder: string): Promise<number> {
  const stuck = await deps.store.list(
    'stuckClaims',
    { lane, state: 'SUBMITTING', atMost: deps.clock.now() },
    { limit: 50 },
  );
  let settled = 0;
  for (const job of stuck.items) {
    try {
      if (await recoverClaim(deps, job, holder)) settled++;
    } catch (error) {
      // The others must not wait for it; its claim is up again after the next grace.
      deps.log.warn({ jobId: job.value.id, error: String(error) }, 'cannot find out about a claim');
    }
  }
  return settled;
}

async function recoverClaim(
  deps: CoreDeps,
  stuck: Stored<'jobs'>,
  holder: string,
): Promise<boolean> {
  const platform = deps.platforms.get(stuck.value.platform);
  const before = stuck.value.claim;
  if (platform === undefined || before === null) return false;
  const now = deps.clock.now();
  const claim: Claim = {
    epoch: before.epoch + 1,
    holder,
    claimedAt: now,
    createBy: now,
    outcomeUnknown: true,
  };
  const cause: Cause = {
    code: 'claim-taken-over',
    message: 'An earlier submit got no answer; looking for the job on its platform.',
  };
  const taken = noted(
    stuck.value,
    { at: now, cause: cause },
    {
      claim,
      claimUntil: now + platform.createDeadlineMs + deps.timing.skewMs,
    },
  );
  try {
    await deps.store.commit([put(stuck.key, taken, { version: stuck.version })]);
  } catch (error) {
    if (error instanceof StaleVersion) return false;
    throw error;
  }
  tellMove(deps, taken);
  const found = (await platform.find(stuck.value.id)).filter(
    ({ attempt }) => attempt === stuck.value.attempt,
  );
  return settleRecovered(deps, taken, found);
}

async function settleRecovered(
  deps: CoreDeps,
  taken: JobDoc,
  found: readonly Observation[],
): Promise<boolean> {
  return retryStale(async () => {
    const job = await getJob(deps, taken.id);
    if (standingOf(job.value, taken, '') !== 'ours') return false;
    const now = deps.clock.now();
    const adopted = oldest(found);
    const after =
      adopted === undefined
        ? putBack(job.value, now, NOTHING_MADE)
        : adoptedJob(job.value, now, adopted);
    await deps.store.commit([put(job.key, after, { version: job.version })]);
    tellMove(deps, after);
    return true;
  });
}

// What it is by now is what it becomes: one that ended long ago may show in no list any more.
function adoptedJob(job: JobDoc, now: number, found: Observation): JobDoc {
  const cause: Cause = {
    code: 'adopted',
    message: `Found on ${job.platform} as ${found.ref}. ${found.cause.message}`,
  };
  return moved(
    job,
    { to: found.state, at: now, cause: isTerminal(found.state) ? found.cause : cause },
    {
      ref: found.ref,
      startedAt: found.startedAt,
      exitCode: found.exitCode,
      ...(found.finishedAt === null ? {} : { finishedAt: found.finishedAt }),
    },
  );
}

// Of several the oldest is kept; sync cancels the others and says so.
function oldest(found: readonly Observation[]): Observation | undefined {
  return found.toSorted((a, b) => a.createdAt - b.createdAt || a.ref.localeCompare(b.ref))[0];
}

const NOTHING_MADE: Waits = {
  cause: {
    code: 'at-the-gate',
    message: 'The earlier submit made nothing; waits for its turn again.',
  },
  notBefore: 0,
};
