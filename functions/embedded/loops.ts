import type { CoreDeps } from '../core/deps.ts';
import { tick } from '../core/tick.ts';

const TICK_MS = 5_000;
const SWEEP_MS = 3_600_000;

/** Repairs what was missed, every few seconds until the signal. */
export async function tickLoop(deps: CoreDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await tick(deps).catch((error: unknown) => deps.log.error({ error }, 'tick failed'));
    await deps.clock.sleep(TICK_MS, signal).catch(() => undefined);
  }
}

/** Removes uploads that nobody finished, each hour until the signal. */
export async function sweepLoop(
  layers: { sweep(now: number): Promise<number> },
  { clock, log }: Pick<CoreDeps, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await layers.sweep(clock.now()).catch((error: unknown) => log.error({ error }, 'sweep failed'));
    await clock.sleep(SWEEP_MS, signal).catch(() => undefined);
  }
}
