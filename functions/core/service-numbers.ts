import { isActive, JOB_STATES, type JobState } from '../../shared/jobs/job-state.ts';
import type { PlatformKind } from '../../shared/jobs/platform-kind.ts';
import type { BuildDoc, LanePolicy } from '../ports/documents.ts';
import { MESSAGE_KINDS, type Message } from '../ports/message.ts';
import type { CoreDeps } from './deps.ts';
import { everyOf } from './records.ts';

const BUILD_STATES: readonly BuildDoc['state'][] = ['building', 'ready', 'failed'];

/** How much there is of what, from the store: for those who operate the service. */
export interface ServiceNumbers {
  readonly lanes: readonly LaneNumbers[];
  /** Messages that wait to be handled, or are being handled. */
  readonly messages: readonly { readonly kind: Message['kind']; readonly count: number }[];
  /** How long the oldest message that is due has been due; 0: none is. */
  readonly oldestDueMs: number;
  readonly parked: number;
  readonly builds: readonly { readonly state: BuildDoc['state']; readonly count: number }[];
}

/** A lane and its jobs. */
export interface LaneNumbers {
  readonly id: string;
  readonly platform: PlatformKind;
  readonly policy: LanePolicy;
  readonly jobs: readonly { readonly state: JobState; readonly count: number }[];
  /** Jobs that hold a place. */
  readonly active: number;
}

type NumbersDeps = Pick<CoreDeps, 'store' | 'clock' | 'lanes'>;

/** Counts what is stored. Reads indexes alone, but their length grows with the jobs: callers keep the result for a while. */
export async function readNumbers(deps: NumbersDeps): Promise<ServiceNumbers> {
  const lanes: LaneNumbers[] = [];
  for (const lane of await knownLanes(deps)) lanes.push(await readLane(deps, lane));
  const messages = [];
  for (const kind of MESSAGE_KINDS) {
    messages.push({ kind, count: await deps.store.count('dueMessages', { parked: false, kind }) });
  }
  const builds = [];
  for (const state of BUILD_STATES) {
    builds.push({ state, count: await deps.store.count('buildsByState', { state }) });
  }
  const [first] = (await deps.store.list('dueMessages', { parked: false }, { limit: 1 })).items;
  const dueAt = first?.value.notBefore ?? Number.POSITIVE_INFINITY;
  return {
    ...{ lanes, messages, builds },
    oldestDueMs: Math.max(0, deps.clock.now() - dueAt),
    parked: await deps.store.count('parkedMessages', { parked: true }),
  };
}

type KnownLane = Pick<LaneNumbers, 'id' | 'platform' | 'policy'>;

// Those of now, with the policy of now, and those of earlier times that may have jobs.
async function knownLanes(deps: NumbersDeps): Promise<readonly KnownLane[]> {
  const known = new Map<string, KnownLane>();
  for await (const { value } of everyOf(deps, 'lanes', {})) known.set(value.id, value);
  for (const lane of deps.lanes) known.set(lane.id, lane);
  return [...known.values()];
}

async function readLane(
  deps: NumbersDeps,
  { id, platform, policy }: KnownLane,
): Promise<LaneNumbers> {
  const jobs = [];
  let active = 0;
  for (const state of JOB_STATES) {
    const count = await deps.store.count('jobsOfLaneByState', { lane: id, state });
    jobs.push({ state, count });
    if (isActive(state)) active += count;
  }
  return { id, platform, policy, jobs, active };
}
