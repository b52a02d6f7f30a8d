import type { protos } from '@google-cloud/cloudbuild';
import { CloudBuildClient } from '@google-cloud/cloudbuild/build/src/v1/cloud_build_client.js';
import { type TestContext, vi } from 'vitest';
import type { Clock } from '../../../functions/ports/runtime.ts';
import { type CloudBuildOptions, startCloudBuild } from '../../doubles/cloud-build/cloud-build.ts';
import { type GoogleApi, startGoogleApi } from '../../doubles/google-api/google-api.ts';
import { TEST_PROJECT } from '../../doubles/google-api/projects.ts';
import { systemClock } from '../../fixtures/system-clock.ts';

export type AskedBuild = protos.google.devtools.cloudbuild.v1.IBuild;

export const PLACE = {
  projectId: TEST_PROJECT.id,
  parent: `projects/${TEST_PROJECT.id}/locations/europe-west4`,
};
export const ONE_TRY = { retry: null, timeout: 10_000 };

/** A build of one step that the pretending executor runs. */
export function aBuild(build: AskedBuild = {}): AskedBuild {
  return { steps: [{ name: 'docker:28-cli', args: ['buildx', 'version'] }], ...build };
}

/** The double on a server, and Google's own client of it. */
export async function openCloudBuild(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  options: CloudBuildOptions | ((api: GoogleApi) => CloudBuildOptions) = {},
  clock: Clock = systemClock,
) {
  const api = await startGoogleApi({ clock });
  onTestFinished(api.close);
  const double = startCloudBuild(api, typeof options === 'function' ? options(api) : options);
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', api.environment.GOOGLE_APPLICATION_CREDENTIALS);
  onTestFinished(() => void vi.unstubAllEnvs());
  const client = new CloudBuildClient({
    projectId: TEST_PROJECT.id,
    apiEndpoint: '127.0.0.1',
    port: api.port,
  });
  onTestFinished(() => client.close());

  /** Creates a build in the region; gives its id. */
  async function create(build: AskedBuild, place: object = PLACE): Promise<string> {
    const [operation] = await client.createBuild({ ...place, build }, ONE_TRY);
    const metadata = operation.metadata as { readonly build?: AskedBuild } | null;
    return metadata?.build?.id ?? '';
  }

  return { api, client, create, ...double };
}
