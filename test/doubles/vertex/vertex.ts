import { status } from '@grpc/grpc-js';
import type { CloudLogging } from '../cloud-logging/cloud-logging.ts';
import type { Fault } from '../google-api/faults.ts';
import type { GoogleApi } from '../google-api/google-api.ts';
import { type CustomJob, JOB_PROTO } from './custom-job.ts';
import { type Executor, pretend } from './executor.ts';
import { createJobBook } from './job-book.ts';
import { deletion } from './job-deletion.ts';
import { listing } from './job-list.ts';
import { createJobLog } from './job-log.ts';
import { cancellation, creation, reading } from './job-methods.ts';
import { createJobRuns } from './job-runs.ts';
import { createPlaces } from './places.ts';
import { shortageText } from './vertex-quotas.ts';

export interface Vertex {
  /** Every job that is not deleted, oldest first, as it is now. */
  jobs(): readonly CustomJob[];
}

export interface VertexOptions {
  /** Default: jobs that succeed at once. */
  readonly executor?: Executor;
  /** Where output goes; none: nowhere. */
  readonly logging?: CloudLogging;
  /** Regions this endpoint answers for; default: all of custom training. Google's endpoints answer for one. */
  readonly regions?: readonly string[];
  /** How long lists lag behind creations, changes and deletions; default 0. */
  readonly listLagMs?: number;
  /** Items of a page at most; default 100. */
  readonly maxPageSize?: number;
  /** Jobs of a region that are PENDING or RUNNING at once; default 2000. */
  readonly maxConcurrent?: number;
  /** What a job beyond that meets: it waits in QUEUED, or is refused with RESOURCE_EXHAUSTED. Default: queue. */
  readonly whenFull?: 'queue' | 'refuse';
}

/** Registers google.cloud.aiplatform.v1.JobService with the methods of custom jobs on a server. */
export function startVertex(api: GoogleApi, options: VertexOptions = {}): Vertex {
  const book = createJobBook(api.clock, options.listLagMs ?? 0);
  const runs = createJobRuns({
    clock: api.clock,
    book,
    log: createJobLog(options.logging ?? null),
    executor: options.executor ?? pretend(),
    maxConcurrent: options.maxConcurrent ?? 2000,
  });
  options.logging?.beforeRead(runs.settle);
  api.onClose(runs.close);
  const parts = {
    api,
    book,
    runs,
    places: createPlaces(api, options.regions),
    maxPageSize: options.maxPageSize ?? 100,
    refusesWhenFull: options.whenFull === 'refuse',
  };
  api.serve({
    proto: JOB_PROTO,
    name: 'google.cloud.aiplatform.v1.JobService',
    methods: {
      CreateCustomJob: creation(parts),
      GetCustomJob: reading(parts),
      ListCustomJobs: listing(parts),
      CancelCustomJob: cancellation(parts),
      DeleteCustomJob: deletion(parts),
    },
  });
  return {
    jobs() {
      runs.settle();
      return book.all().map(({ job }) => job);
    },
  };
}

/** A fault for `api.faults.script('CreateCustomJob', …)`: no machines are left. `metric`: as in `custom_model_training_nvidia_t4_gpus`. */
export function shortage(metric: string): Fault {
  return { kind: 'refuse', code: status.RESOURCE_EXHAUSTED, message: shortageText(metric) };
}
