import type { Hono } from 'hono';
import * as z from 'zod';
import type { CoreDeps } from '../core/deps.ts';
import { wakeImages } from '../core/wake-images.ts';
import { createInternalApp, type InternalOptions, withinDeadline } from './internal-app.ts';

// A Build with all its steps and results may be large; nothing of it is read but the attributes.
const BODY_BYTES = 10 * 1024 * 1024;
// https://cloud.google.com/build/docs/subscribe-build-notifications, read 2026-11.
const event = z.object({ message: z.object({ attributes: z.object({ status: z.string() }) }) });
const ENDED = new Set(['SUCCESS', 'FAILURE', 'INTERNAL_ERROR', 'TIMEOUT', 'CANCELLED', 'EXPIRED']);

/**
 * `POST /internal/build-events`: notifications of Cloud Build. A hint that a build has ended, which may come twice, late or never:
 * submissions that wait for their image look again. Anything else is acknowledged and forgotten.
 */
export function createBuildEvents(
  options: InternalOptions & { readonly depsUntil: (signal: AbortSignal) => CoreDeps },
): Hono {
  const app = createInternalApp(options, BODY_BYTES);
  app.post('/internal/build-events', async (c) => {
    const parsed = event.safeParse(await c.req.json().catch(() => undefined));
    if (parsed.success && ENDED.has(parsed.data.message.attributes.status)) {
      await withinDeadline(options, 'A build event', (signal) =>
        wakeImages(options.depsUntil(signal)),
      );
    }
    return c.body(null, 204);
  });
  return app;
}
