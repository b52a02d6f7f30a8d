import type { Hono } from 'hono';
import type { CoreDeps } from '../core/deps.ts';
import { tick } from '../core/tick.ts';
import { syncLanes } from '../core/tick-lanes.ts';
import { createInternalApp, type InternalOptions, withinDeadline } from './internal-app.ts';

/** What the scheduler calls. */
export interface TickOptions extends InternalOptions {
  /** Between two ticks (ms). */
  readonly everyMs: number;
  /** The dependencies of a tick that ends with its signal. */
  readonly depsUntil: (signal: AbortSignal) => CoreDeps;
  /** Removes uploads that nobody finished. */
  readonly sweepUploads: (now: number) => Promise<unknown>;
}

const BODY_BYTES = 16 * 1024;
const SWEEP_EVERY_MS = 3_600_000;

/**
 * `POST /internal/tick`: what must happen even if every message was lost, each lane compared with its platform, and once an hour
 * uploads that nobody finished. What fails keeps nothing else from being done, and is told by the answer: 503. Several at once are safe.
 */
export function createTick(options: TickOptions): Hono {
  const { deps, everyMs, sweepUploads } = options;
  const app = createInternalApp(options, BODY_BYTES);
  app.post('/internal/tick', async (c) => {
    const failures: unknown[] = [];
    await withinDeadline(options, 'A tick', async (signal) => {
      const attempt = async (step: string, run: () => Promise<unknown>) => {
        // Nothing begins once its time is over: the answer is out, and the next tick does it.
        signal.throwIfAborted();
        await run().catch((error: unknown) => {
          deps.log.error({ step, error: String(error) }, 'tick failed');
          failures.push(error);
        });
      };
      const bounded = options.depsUntil(signal);
      await attempt('repair', () => tick(bounded));
      await attempt('sync', () => syncLanes(bounded, { everyMs, signal }));
      const now = deps.clock.now();
      if (now % SWEEP_EVERY_MS < everyMs) await attempt('sweep', () => sweepUploads(now));
    });
    if (failures.length > 0) throw failures[0];
    return c.body(null, 204);
  });
  return app;
}
