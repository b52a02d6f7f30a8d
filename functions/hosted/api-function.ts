import { getRequestListener } from '@hono/node-server';
import { createApi } from '../api/create-api.ts';
import { VERSION } from '../runtime/system.ts';
import { theHostedService } from './hosted-service.ts';
import { createHostedUploads } from './hosted-uploads.ts';

/** The public API, for people and programs with a token. */
export function openApi() {
  const { deps, authenticator, deadLetters } = theHostedService();
  const app = createApi({
    deps,
    uploads: createHostedUploads(deps.layers),
    authenticator,
    deadLetters,
    service: { version: VERSION, instance: deps.random.id(), host: 'hosted' },
    allowedHosts: null,
  });
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}
