import type { Clock } from '../../ports/runtime.ts';
import type { JobTimes } from './log-pages.ts';
import { createRecent } from './recent.ts';
import type { CustomJob, VertexCalls } from './vertex-calls.ts';
import type { VertexPlace } from './vertex-lane.ts';
import { endOf, instantOf } from './vertex-observation.ts';

/** When jobs were created and ended, asked for seldom. */
export interface VertexJobTimes {
  /** Null when there is no such job. Throws AppError UNAVAILABLE. */
  of(at: VertexPlace, ref: string): Promise<JobTimes | null>;
  /** Takes in what was read of a job for another reason. */
  remember(job: CustomJob): JobTimes;
}

const KEPT = 1_000;
/** Between two looks at a job that lives (ms). */
const FRESH_MS = 3_000;

export function createJobTimes(calls: VertexCalls, clock: Clock): VertexJobTimes {
  const known = createRecent<JobTimes & { readonly readAt: number }>(KEPT);

  function remember(job: CustomJob): JobTimes {
    const times = { createdAt: instantOf(job.createTime) ?? 0, endedAt: endOf(job) };
    if (typeof job.name === 'string') known.put(job.name, { ...times, readAt: clock.now() });
    return times;
  }

  return {
    remember,
    async of(at, ref) {
      const times = known.get(ref);
      if (times !== undefined) {
        if (times.endedAt !== null || clock.now() - times.readAt < FRESH_MS) return times;
      }
      const job = await calls.get(at, ref);
      return job === null ? null : remember(job);
    },
  };
}
