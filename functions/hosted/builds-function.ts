import { getRequestListener } from '@hono/node-server';
import { createBuildEvents } from '../consumers/build-events.ts';
import { depsUntil, theHostedService } from './hosted-service.ts';

const DEADLINE_MS = 30_000;

/** What notifications of Cloud Build are pushed to: `POST /internal/build-events`. */
export function openBuilds() {
  const { deps, caller } = theHostedService();
  const app = createBuildEvents({
    ...{ deps, caller, deadlineMs: DEADLINE_MS },
    depsUntil: (signal) => depsUntil(deps, signal),
  });
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}
