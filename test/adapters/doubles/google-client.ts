import { type TestContext, vi } from 'vitest';
import type { GoogleApi } from '../../doubles/google-api/google-api.ts';
import { TEST_PROJECT } from '../../doubles/google-api/projects.ts';

/** Options of Google's clients for a double; for the rest of the test this process signs in with the double's credentials. */
export function clientOptionsFor(api: GoogleApi, { onTestFinished }: TestContext) {
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', api.environment.GOOGLE_APPLICATION_CREDENTIALS);
  onTestFinished(() => void vi.unstubAllEnvs());
  return { projectId: TEST_PROJECT.id, apiEndpoint: '127.0.0.1', port: api.port };
}

/** Calls are made once: what a client would try again is seen. */
export const ONE_TRY = { retry: null, timeout: 20_000 };
