import type { Clock } from '../../../functions/ports/runtime.ts';
import { notFound } from '../google-api/api-status.ts';
import { timestampOf } from '../google-api/comparing.ts';
import { type CustomJob, hasEnded, type JobError, type JobState } from './custom-job.ts';

/** A job with its past: what GetCustomJob and, later, ListCustomJobs show. */
export interface JobRecord {
  /** Numeric. */
  readonly id: string;
  /** `projects/NUMBER/locations/REGION`. */
  readonly parent: string;
  readonly region: string;
  readonly project: { readonly id: string; readonly number: string };
  readonly createdAt: number;
  job: CustomJob;
  /** Newest last; null: deleted. */
  readonly versions: { readonly at: number; readonly job: CustomJob | null }[];
}

/** A job in a list, and its place in the order of creation. */
export interface ListedJob {
  readonly order: number;
  readonly job: CustomJob;
}

export interface Change {
  readonly state: JobState;
  /** UTC milliseconds; may be a little in the past. */
  readonly at: number;
  readonly error?: JobError;
}

export interface JobBook {
  add(record: Omit<JobRecord, 'versions'>): JobRecord;
  /** Sets times as the API documents them: none is set by EXPIRED but `updateTime`. */
  move(record: JobRecord, change: Change): void;
  /** Throws ApiStatus NOT_FOUND. */
  find(name: string): JobRecord;
  delete(record: JobRecord): void;
  /** What a list shows now, newest first: things as they were `listLagMs` ago. */
  listed(parent: string): readonly ListedJob[];
  /** All that is not deleted, oldest first. */
  all(): readonly JobRecord[];
}

export function createJobBook(clock: Clock, listLagMs: number): JobBook {
  const current = new Map<string, JobRecord>();
  const byParent = new Map<string, JobRecord[]>();

  function listedVersion(record: JobRecord): CustomJob | null {
    const until = clock.now() - listLagMs;
    return record.versions.findLast(({ at }) => at <= until)?.job ?? null;
  }

  return {
    all: () => [...current.values()],
    add(values) {
      const record = { ...values, versions: [{ at: values.createdAt, job: values.job }] };
      current.set(record.job.name, record);
      const siblings = byParent.get(record.parent);
      if (siblings === undefined) byParent.set(record.parent, [record]);
      else siblings.push(record);
      return record;
    },
    move(record, { state, at, error }) {
      const time = timestampOf(at);
      const isFirstRun = state === 'JOB_STATE_RUNNING' && record.job.startTime === undefined;
      const hasEnd = hasEnded(state) && state !== 'JOB_STATE_EXPIRED';
      record.job = {
        ...record.job,
        state,
        updateTime: time,
        ...(isFirstRun ? { startTime: time } : {}),
        ...(hasEnd ? { endTime: time } : {}),
        ...(error === undefined ? {} : { error }),
      };
      record.versions.push({ at, job: record.job });
    },
    find(name) {
      const record = current.get(name);
      if (record === undefined) throw notFound(`The CustomJob does not exist: ${name}`);
      return record;
    },
    delete(record) {
      current.delete(record.job.name);
      record.versions.push({ at: clock.now(), job: null });
    },
    listed(parent) {
      return (byParent.get(parent) ?? [])
        .flatMap((record, order) => {
          const job = listedVersion(record);
          return job === null ? [] : [{ order, job }];
        })
        .toReversed();
    },
  };
}
