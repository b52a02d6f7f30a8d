import type { Hono } from 'hono';
import * as z from 'zod';
import type { CoreDeps } from '../core/deps.ts';
import { wakeImages } from '../core/wake-images.ts';
import { createInternalApp, type InternalOptions, withinDeadline } from './internal-app.ts';

// A Build with all its steps and results may be large.
const BODY_BYTES = 10 * 1024 * 1024;
// The JSON of the Build is the message's data, its status an attribute: https://cloud.google.com/build/docs/subscribe-build-notifications (by
// report, 2026-11).
const event = z.object({
  message: z.object({
    data: z.base64(),
    attributes: z.object({ status: z.string() }),
  }),
});
const build = z.object({ tags: z.array(z.string()).default([]) });
/** All builds of a project tell the same topic; ours have this tag. */
const OUR_TAG = 'caliban';
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
    if (parsed.success && isOurEnd(parsed.data.message)) {
      await withinDeadline(options, 'A build event', (signal) =>
        wakeImages(options.depsUntil(signal)),
      );
    }
    return c.body(null, 204);
  });
  return app;
}

function isOurEnd({ data, attributes }: z.infer<typeof event>['message']): boolean {
  if (!ENDED.has(attributes.status)) return false;
  const text = Buffer.from(data, 'base64').toString();
  const parsed = build.safeParse(jsonOf(text));
  return parsed.success && parsed.data.tags.includes(OUR_TAG);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
