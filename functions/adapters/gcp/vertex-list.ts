import pLimit from 'p-limit';
import type { Observation } from '../../ports/platform.ts';
import type { Clock } from '../../ports/runtime.ts';
import { unavailable } from './google-errors.ts';
import type { CustomJob, VertexCalls } from './vertex-calls.ts';
import { isLabelValue, labelFilter } from './vertex-labels.ts';
import { parseVertexLane, type VertexPlace } from './vertex-lane.ts';
import {
  decodePlace,
  encodePlace,
  firstPlace,
  floorOf,
  type ListPlace,
  type LiveFloor,
  listFilter,
} from './vertex-list-place.ts';
import { endOf, instantOf, isEnded, observationOf, type Reading } from './vertex-observation.ts';

/** What lists of custom jobs tell of this service's jobs. Both throw AppError UNAVAILABLE, `list` CURSOR_INVALID too. */
export interface VertexList {
  /** Of all these places: when one does not answer, nobody can say that a job is nowhere. */
  find(places: readonly VertexPlace[], jobId: string): Promise<readonly Observation[]>;
  list(
    lane: string,
    since: number,
    cursor: string | null,
  ): Promise<{ readonly items: readonly Observation[]; readonly next: string | null }>;
}

export interface VertexListDeps {
  readonly calls: VertexCalls;
  readonly clock: Clock;
  readonly reading: Reading;
  readonly listLagMs: number;
  /** Is told of each ended job. */
  readonly seen: (job: CustomJob) => void;
}

const LOOKUPS_IN_FLIGHT = 8;
/** Pages of one job id's jobs; each attempt has one, and rarely a second. */
const FIND_PAGES = 10;
const FLOORS_KEPT = 16;

export function createVertexList({
  calls,
  clock,
  reading,
  listLagMs,
  seen,
}: VertexListDeps): VertexList {
  const floors = new Map<string, readonly LiveFloor[]>();
  const lookups = pLimit(LOOKUPS_IN_FLIGHT);

  function observed(jobs: readonly CustomJob[]): Observation[] {
    for (const job of jobs.filter(isEnded)) seen(job);
    return jobs.flatMap((job) => observationOf(reading, job) ?? []);
  }

  async function findIn(at: VertexPlace, jobId: string): Promise<Observation[]> {
    const filter = labelFilter(reading.instanceLabel, jobId);
    const found: Observation[] = [];
    let token = '';
    for (let read = 0; read < FIND_PAGES; read++) {
      const { jobs, next } = await calls.page(at, filter, token);
      found.push(...observed(jobs).filter((each) => each.jobId === jobId));
      if (next === '') return found;
      token = next;
    }
    const much = `more than ${FIND_PAGES} pages of jobs are called ${jobId}`;
    throw unavailable('Vertex AI', new Error(much));
  }

  function nextPlace(lane: string, read: ListPlace, token: string): ListPlace | null {
    if (token !== '') return { ...read, token };
    if (read.phase === 'ended') return null;
    const floor = floorOf(read, clock.now(), listLagMs);
    floors.set(lane, [floor, ...(floors.get(lane) ?? [])].slice(0, FLOORS_KEPT));
    return { ...read, phase: 'ended', token: '' };
  }

  return {
    async find(places, jobId) {
      if (!isLabelValue(jobId)) return [];
      const found = places.map((at) => lookups(() => findIn(at, jobId)));
      return (await Promise.all(found)).flat();
    },
    async list(lane, since, cursor) {
      const at = parseVertexLane(lane);
      if (at === null) return { items: [], next: null };
      const known = { floors: floors.get(lane) ?? [], timeoutMs: reading.timeoutMs };
      const from = cursor === null ? firstPlace(since, clock.now(), known) : decodePlace(cursor);
      const filter = listFilter(reading.instanceLabel, from);
      const { jobs, next } = await calls.page(at, filter, from.token);
      // One that ended while it was listed among the living is as good.
      const wanted = jobs.filter((job) => (endOf(job) ?? since) >= since);
      const after = nextPlace(lane, { ...from, oldestLive: oldestOf(from, jobs) }, next);
      return { items: observed(wanted), next: after === null ? null : encodePlace(after) };
    },
  };
}

function oldestOf({ phase, oldestLive }: ListPlace, jobs: readonly CustomJob[]): number {
  if (phase === 'ended') return oldestLive;
  return Math.min(oldestLive, ...jobs.map((job) => instantOf(job.createTime) ?? oldestLive));
}
