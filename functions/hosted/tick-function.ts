import { getRequestListener } from '@hono/node-server';
import { createTick } from '../consumers/tick-routes.ts';
import { depsUntil, theHostedService } from './hosted-service.ts';
import { TICK_MS } from './hosted-timing.ts';

/** Below the scheduler's own deadline of 180 s by more than the grace. */
const DEADLINE_MS = 170_000;

/** What Cloud Scheduler calls each minute: `POST /internal/tick`. */
export function openTick() {
  const { deps, caller, sweepUploads } = theHostedService();
  const app = createTick({
    ...{ deps, caller, sweepUploads, deadlineMs: DEADLINE_MS, everyMs: TICK_MS },
    depsUntil: (signal) => depsUntil(deps, signal),
  });
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}
