import type { JobServiceClient } from '@google-cloud/aiplatform/build/src/v1/job_service_client.js';
import { namedExports } from './commonjs-module.ts';
import { type LazyClient, lazyClient } from './generated-client.ts';
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
  const clients = new Map<string, LazyClient<JobServiceClient>>();

  async function make(region: string): Promise<JobServiceClient> {
    // Not the package's main module: that loads the definitions of all its services.
    const module = await import('@google-cloud/aiplatform/build/src/v1/job_service_client.js');
    const { JobServiceClient } = namedExports(module, 'JobServiceClient');
    const { projectId, endpoint } = settings;
    const host = `${region}-aiplatform.googleapis.com`;
    return new JobServiceClient({ ...clientOptions(projectId, endpoint, host) });
  }

  return {
    of(region) {
      const client = clients.get(region) ?? lazyClient(() => make(region));
      clients.set(region, client);
      return client.opened();
    },
    async close() {
      const open = [...clients.values()];
      clients.clear();
      await Promise.all(open.map((client) => client.close()));
    },
  };
}
