import type { JobDoc, SubmissionDoc } from '../ports/documents.ts';
import type { Stored } from '../ports/store.ts';

/** Jobs of one open submission that are due, by index. */
export interface Waiting {
  readonly submission: SubmissionDoc;
  readonly jobs: readonly Stored<'jobs'>[];
}

/** Virtual time by principal: how much of the lane each has had, in jobs over weight. */
export type VirtualTimes = Readonly<Record<string, number>>;

/** Who goes next, and everyone's virtual time afterwards. */
export interface Served {
  readonly jobs: readonly Stored<'jobs'>[];
  readonly times: VirtualTimes;
}

// Everyone has the same weight until members can be given one.
const WEIGHT = 1;

/**
 * Fair share: each place goes to the principal with the least virtual time, to its oldest submission, by index. So a colleague's
 * single job is next, not last. `waiting` is ordered by acceptance. Pure.
 */
export function serve(waiting: readonly Waiting[], before: VirtualTimes, places: number): Served {
  const times = enter(waiting, before);
  // Of equals whoever is new to the lane goes first: a colleague's single job is next.
  const queues = queuesByPrincipal(newcomersFirst(waiting, before));
  const jobs: Stored<'jobs'>[] = [];
  while (jobs.length < places) {
    const next = leastServed(queues, times);
    if (next === undefined) break;
    const job = queues.get(next)?.shift();
    if (job === undefined) break;
    jobs.push(job);
    times[next] = (times[next] ?? 0) + 1 / WEIGHT;
  }
  return { jobs, times };
}

// A principal that returns starts at the lane's minimum: being away earns no credit. Who has nothing open is forgotten.
function enter(waiting: readonly Waiting[], before: VirtualTimes): Record<string, number> {
  const principals = new Set(waiting.map(({ submission }) => submission.principal));
  const present = [...principals]
    .map((principal) => before[principal])
    .filter((time) => time !== undefined);
  const minimum = present.length === 0 ? 0 : Math.min(...present);
  const times: Record<string, number> = {};
  for (const principal of principals)
    times[principal] = Math.max(before[principal] ?? minimum, minimum) - minimum;
  return times;
}

function newcomersFirst(waiting: readonly Waiting[], before: VirtualTimes): readonly Waiting[] {
  const isNew = ({ submission }: Waiting) => before[submission.principal] === undefined;
  return [...waiting.filter(isNew), ...waiting.filter((each) => !isNew(each))];
}

function queuesByPrincipal(waiting: readonly Waiting[]): Map<string, Stored<'jobs'>[]> {
  const queues = new Map<string, Stored<'jobs'>[]>();
  for (const { submission, jobs } of waiting) {
    const queue = queues.get(submission.principal) ?? [];
    queue.push(...jobs);
    queues.set(submission.principal, queue);
  }
  return queues;
}

function leastServed(
  queues: ReadonlyMap<string, readonly unknown[]>,
  times: VirtualTimes,
): string | undefined {
  let best: string | undefined;
  for (const [principal, queue] of queues) {
    if (queue.length > 0 && (best === undefined || (times[principal] ?? 0) < (times[best] ?? 0)))
      best = principal;
  }
  return best;
}

/** Where a job stands in the gate's history. */
export function gateMessage(job: JobDoc, lane: string): string {
  return `Its turn on lane ${lane} (attempt ${job.attempt}).`;
}
