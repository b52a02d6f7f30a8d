import { JobServiceClient } from '@google-cloud/aiplatform/build/src/v1/job_service_client.js';
import type { TestContext } from 'vitest';
import { startCloudLogging } from '../../doubles/cloud-logging/cloud-logging.ts';
import { type GoogleApiOptions, startGoogleApi } from '../../doubles/google-api/google-api.ts';
import { TEST_PROJECT } from '../../doubles/google-api/projects.ts';
import { startVertex, type VertexOptions } from '../../doubles/vertex/vertex.ts';
import { clientOptionsFor, ONE_TRY } from './google-client.ts';

export const PARENT = `projects/${TEST_PROJECT.id}/locations/us-central1`;

type NewJob = NonNullable<Parameters<JobServiceClient['createCustomJob']>[0]>['customJob'] & object;

/** A job that is accepted; `container`, `machine`, `pool` and `spec` replace parts of it. */
export function newJob(
  job: NewJob = {},
  parts: { container?: object; machine?: object; pool?: object; spec?: object } = {},
): NewJob {
  return {
    displayName: 'a job',
    jobSpec: {
      workerPoolSpecs: [
        {
          machineSpec: { machineType: 'n1-standard-8', ...parts.machine },
          replicaCount: 1,
          containerSpec: { imageUri: 'us-docker.pkg.dev/p/r/image:1', ...parts.container },
          ...parts.pool,
        },
      ],
      ...parts.spec,
    },
    ...job,
  };
}

/** The doubles of Vertex AI and of the log on one server, and Google's own client of the first. */
export async function openedVertex(
  t: TestContext,
  options: VertexOptions = {},
  apiOptions: GoogleApiOptions = {},
) {
  const api = await startGoogleApi(apiOptions);
  t.onTestFinished(api.close);
  const logging = startCloudLogging(api);
  const vertex = startVertex(api, { logging, ...options });
  const client = new JobServiceClient(clientOptionsFor(api, t));
  t.onTestFinished(() => client.close());
  return {
    api,
    vertex,
    client,
    create: async (customJob: NewJob = newJob(), parent = PARENT) =>
      (await client.createCustomJob({ parent, customJob }, ONE_TRY))[0],
    get: async (name: string) => (await client.getCustomJob({ name }, ONE_TRY))[0],
    cancel: (name: string) => client.cancelCustomJob({ name }, ONE_TRY),
    list: async (request: { filter?: string; readMask?: { paths: string[] } } = {}) =>
      (await client.listCustomJobs({ parent: PARENT, ...request }, ONE_TRY))[0],
  };
}
