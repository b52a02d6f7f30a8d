import type { JobServiceClient } from '@google-cloud/aiplatform/build/src/v1/job_service_client.js';
import { namedExports } from './commonjs-module.ts';
import { clientOptions, type GoogleEndpoint } from './google-endpoint.ts';

/** The client of a region's job service, made when it is first needed. */
export interface VertexClients {
  /** Rejects when there is no way to sign in; asked again then. */
  of(region: string): Promise<JobServiceClient>;
  close(): Promise<void>;
}

/** Clients over gRPC, with the application default credentials. Without an endpoint each region has its own host. */
export function createVertexClients(settings: {
  readonly projectId: string;
  readonly endpoint: GoogleEndpoint;
}): VertexClients {
  const clients = new Map<string, Promise<JobServiceClient>>();

  async function open(region: string): Promise<JobServiceClient> {
    // Not the package's main module: that loads the definitions of all its services.
    const module = await import('@google-cloud/aiplatform/build/src/v1/job_service_client.js');
    const { JobServiceClient } = namedExports(module, 'JobServiceClient');
    const { projectId, endpoint } = settings;
    const host = `${region}-aiplatform.googleapis.com`;
    const client = new JobServiceClient({ ...clientOptions(projectId, endpoint, host) });
    // By itself it would do so in its first call, and a failure would be a rejection that nobody can catch.
    await client.initialize();
    return client;
  }

  return {
    async of(region) {
      const known = clients.get(region);
      if (known !== undefined) return known;
      const opening = open(region);
      clients.set(region, opening);
      opening.catch(() => clients.delete(region));
      return opening;
    },
    async close() {
      const open = await Promise.allSettled(clients.values());
      clients.clear();
      await Promise.all(
        open.map((each) => (each.status === 'fulfilled' ? each.value.close() : undefined)),
      );
    },
  };
}
