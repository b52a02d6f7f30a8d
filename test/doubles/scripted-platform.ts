import type { Observation, Platform, PlatformJob } from '../../functions/ports/platform.ts';

/** A platform that says what the test tells it to say, and remembers what it was asked. */
export interface ScriptedPlatform extends Platform {
  readonly submitted: PlatformJob[];
  /** Refs it was asked to end, in order. */
  readonly cancelled: string[];
  /** What `list` and `find` show. */
  observations: Observation[];
  /** Observations on one page of `list`. */
  pageSize: number;
  /** What `submit` does; by default it takes the job under a name of its own. */
  onSubmit: (job: PlatformJob) => Promise<{ readonly ref: string }>;
  /** What `find` does before it answers; by default nothing. */
  onFind: (jobId: string) => Promise<void>;
  onCancel: (ref: string) => Promise<void>;
  /** Since when, and from which cursor, `list` was asked. */
  readonly listed: { readonly since: number; readonly cursor: string | null }[];
}

/** A platform of kind `process` whose names are its own: two creates are two jobs. */
export function createScriptedPlatform(times: {
  readonly createDeadlineMs: number;
  readonly listLagMs: number;
}): ScriptedPlatform {
  const platform: ScriptedPlatform = {
    kind: 'process',
    ...times,
    submitted: [],
    cancelled: [],
    observations: [],
    listed: [],
    pageSize: 100,
    onSubmit: async () => ({ ref: `ref-${platform.submitted.length}` }),
    onFind: async () => undefined,
    onCancel: async () => undefined,
    submit(job) {
      platform.submitted.push(job);
      return platform.onSubmit(job);
    },
    async find(jobId) {
      await platform.onFind(jobId);
      return platform.observations.filter((seen) => seen.jobId === jobId);
    },
    async list(_lane, since, cursor) {
      platform.listed.push({ since, cursor });
      const from = Number(cursor ?? 0);
      const next = from + platform.pageSize;
      return {
        items: platform.observations.slice(from, next),
        next: next < platform.observations.length ? String(next) : null,
      };
    },
    async cancel(ref) {
      platform.cancelled.push(ref);
      await platform.onCancel(ref);
    },
    readLog: async () => ({ text: '', next: '', ended: true }),
  };
  return platform;
}
