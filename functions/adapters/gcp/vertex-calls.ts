import type { protos } from '@google-cloud/aiplatform';
import { GRPC, grpcCodeOf, unavailable } from './google-errors.ts';
import type { VertexClients } from './vertex-clients.ts';
import { parentOf, type VertexPlace } from './vertex-lane.ts';
import { callFailed, refusalOf } from './vertex-refusals.ts';

/** `google.cloud.aiplatform.v1.CustomJob`. */
export type CustomJob = protos.google.cloud.aiplatform.v1.ICustomJob;

/** The calls of JobService that are used, each tried once. They throw AppError UNAVAILABLE. */
export interface VertexCalls {
  /** The name of what was made. Throws PlatformRefusal when nothing was; after UNAVAILABLE nobody knows. */
  create(at: VertexPlace, customJob: CustomJob, timeoutMs: number): Promise<string>;
  /** Up to 100 jobs, without their specifications. `next`: '' behind the last. */
  page(
    at: VertexPlace,
    filter: string,
    pageToken: string,
  ): Promise<{ readonly jobs: readonly CustomJob[]; readonly next: string }>;
  /** Null when there is no such job. */
  get(at: VertexPlace, name: string): Promise<CustomJob | null>;
  /** Nothing when the job is over or unknown. */
  cancel(at: VertexPlace, name: string): Promise<void>;
}

const READ_TIMEOUT_MS = 30_000;
const PAGE = 100;
const FIELDS = [
  'name',
  'labels',
  'state',
  'create_time',
  'start_time',
  'end_time',
  'update_time',
  'error',
];

/** Calls over the clients of the regions. */
export function createVertexCalls(clients: VertexClients): VertexCalls {
  return {
    async create(at, customJob, timeoutMs) {
      try {
        const client = await clients.of(at.region);
        const request = { parent: parentOf(at), customJob };
        const [made] = await client.createCustomJob(request, once(timeoutMs));
        if (typeof made.name === 'string' && made.name !== '') return made.name;
        throw new Error('a job without a name was answered');
      } catch (error) {
        throw refusalOf(error) ?? unavailable('Vertex AI', error);
      }
    },
    async page(at, filter, pageToken) {
      try {
        const client = await clients.of(at.region);
        const readMask = { paths: FIELDS };
        const request = { parent: parentOf(at), filter, pageSize: PAGE, pageToken, readMask };
        const options = { ...once(READ_TIMEOUT_MS), autoPaginate: false };
        const [jobs, , reply] = await client.listCustomJobs(request, options);
        return { jobs, next: reply?.nextPageToken ?? '' };
      } catch (error) {
        throw callFailed(error);
      }
    },
    async get(at, name) {
      try {
        const client = await clients.of(at.region);
        const [job] = await client.getCustomJob({ name }, once(READ_TIMEOUT_MS));
        return job;
      } catch (error) {
        if (grpcCodeOf(error) === GRPC.notFound) return null;
        throw callFailed(error);
      }
    },
    async cancel(at, name) {
      try {
        const client = await clients.of(at.region);
        await client.cancelCustomJob({ name }, once(READ_TIMEOUT_MS));
      } catch (error) {
        const code = grpcCodeOf(error);
        if (code === GRPC.notFound || code === GRPC.failedPrecondition) return;
        throw callFailed(error);
      }
    },
  };
}

/** One try: the core repeats what it wants repeated, and a create must never be. */
function once(timeout: number) {
  return { timeout, retry: null };
}
