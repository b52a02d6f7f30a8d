import type { LaneDoc, LanePolicy, TokenBlock } from '../ports/documents.ts';
import { put, StaleVersion, type Stored } from '../ports/store.ts';
import type { CoreDeps, LaneSetting } from './deps.ts';
import type { VirtualTimes } from './gate.ts';
import { getOne } from './records.ts';

/** A drainer's hold on a lane. Efficiency only: what keeps jobs from being doubled is the claim on each. */
export interface Lease {
  readonly holder: string;
  lane: Stored<'lanes'>;
  /** Virtual times as served so far; kept on the lane with the next block or renewal. */
  times: VirtualTimes;
}

/** Takes the lane's lease, or undefined when another drainer's is live or the lane does not exist yet. */
export async function takeLease(deps: CoreDeps, laneId: string): Promise<Lease | undefined> {
  const lane = await getOne(deps, 'lanes', laneId);
  if (lane === undefined || lane.value.leaseUntil > deps.clock.now()) return undefined;
  const holder = deps.random.id();
  const lease: Lease = { holder, lane, times: lane.value.virtualTimes };
  const taken = await writeLane(deps, lease, {
    leaseHolder: holder,
    epoch: lane.value.epoch + 1,
    leaseUntil: deps.clock.now() + deps.timing.leaseMs,
  });
  return taken ? lease : undefined;
}

/** Keeps a lease that is more than half spent; false when it was lost. */
export async function keepLease(deps: CoreDeps, lease: Lease): Promise<boolean> {
  const left = lease.lane.value.leaseUntil - deps.clock.now();
  if (left > deps.timing.leaseMs / 2) return true;
  return writeLane(deps, lease, { leaseUntil: deps.clock.now() + deps.timing.leaseMs });
}

/** Gives the lane back; nothing when the lease was lost. */
export async function releaseLease(deps: CoreDeps, lease: Lease): Promise<void> {
  await writeLane(deps, lease, { leaseHolder: null, leaseUntil: 0 });
}

/**
 * Reserves tokens of a lane with a rate: at most `wanted`, at most `blockMs` worth, never reaching back into an earlier block (a
 * takeover counts that as spent). Undefined when the lease was lost.
 */
export async function reserveBlock(
  deps: CoreDeps,
  lease: Lease,
  wanted: number,
): Promise<TokenBlock | undefined> {
  const { policy, block: before } = lease.lane.value;
  const intervalMs = 60_000 / (policy.ratePerMinute ?? 60_000);
  const count = Math.max(1, Math.min(wanted, Math.floor(deps.timing.blockMs / intervalMs)));
  const earliest = before === null ? 0 : before.start + before.count * before.intervalMs;
  const block: TokenBlock = { start: Math.max(deps.clock.now(), earliest), count, intervalMs };
  return (await writeLane(deps, lease, { block })) ? block : undefined;
}

/**
 * For a host that knows that it is alone: ends leases of an earlier life, and gives the lane the policy as configured now.
 */
export async function freeLeases(
  deps: Pick<CoreDeps, 'store'>,
  setting: LaneSetting,
): Promise<void> {
  const lane = await getOne(deps, 'lanes', setting.id);
  if (lane === undefined) return;
  const free = { ...lane.value, policy: setting.policy, leaseHolder: null, leaseUntil: 0 };
  await deps.store.commit([put(lane.key, free, { version: lane.version })]);
}

/**
 * Gives a lane the policy as it is set now, if it has another: what was set when the lane was made must not govern for ever. A drainer that
 * holds the lane loses its lease by that, and the next one goes on.
 */
export async function keepPolicy(
  deps: Pick<CoreDeps, 'lanes' | 'log' | 'store'>,
  lane: Stored<'lanes'>,
): Promise<void> {
  const policy = deps.lanes.find(({ id }) => id === lane.value.id)?.policy;
  if (policy === undefined || isSamePolicy(policy, lane.value.policy)) return;
  try {
    await deps.store.commit([put(lane.key, { ...lane.value, policy }, { version: lane.version })]);
    deps.log.info({ lane: lane.value.id, ...policy }, 'policy of a lane changed');
  } catch (error) {
    // Its drainer was quicker; the next tick comes.
    if (!(error instanceof StaleVersion)) throw error;
  }
}

function isSamePolicy(one: LanePolicy, other: LanePolicy): boolean {
  return one.ratePerMinute === other.ratePerMinute && one.maxActive === other.maxActive;
}

async function writeLane(
  deps: CoreDeps,
  lease: Lease,
  changes: Partial<LaneDoc>,
): Promise<boolean> {
  const value: LaneDoc = { ...lease.lane.value, ...changes, virtualTimes: lease.times };
  try {
    await deps.store.commit([put(lease.lane.key, value, { version: lease.lane.version })]);
  } catch (error) {
    if (error instanceof StaleVersion) return false;
    throw error;
  }
  const written = await getOne(deps, 'lanes', value.id);
  if (
    written === undefined ||
    written.value.leaseHolder !== value.leaseHolder ||
    written.value.epoch !== value.epoch
  )
    return false;
  lease.lane = written;
  return true;
}
