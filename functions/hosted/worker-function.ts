import { getRequestListener } from '@hono/node-server';
import { consume } from '../consumers/consume.ts';
import { handleInSlices } from '../consumers/in-slices.ts';
import { createWorker } from '../consumers/push-routes.ts';
import { depsUntil, theHostedService } from './hosted-service.ts';

/** No repeat of a handling begins later than this after its push came. */
const SLICE_MS = 50_000;
/** Below the ack deadline of the subscriptions (600 s) by more than a handler's grace. */
const DEADLINE_MS = 570_000;

/** What Pub/Sub pushes messages to: `POST /internal/{kind}`. */
export function openWorker() {
  const { deps, caller } = theHostedService();
  const app = createWorker({
    deps,
    caller,
    deadlineMs: DEADLINE_MS,
    handle(message, signal) {
      const bounded = depsUntil(deps, signal);
      const slice = { endAt: deps.clock.now() + SLICE_MS, signal };
      return handleInSlices(bounded, message, { slice, handle: () => consume(bounded, message) });
    },
  });
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}
