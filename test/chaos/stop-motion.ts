import { setTimeout as sleep } from 'node:timers/promises';
import type { Look } from './look.ts';
import { lookNow, type Stage } from './stage.ts';

const AIMING_MS = 20_000;

/** How a kill is aimed. */
export interface Aim {
  /** Whether the phase is under way. */
  readonly isNow: (look: Look | null) => boolean;
  /** Whether the phase is over, so that waiting for it is in vain. */
  readonly isOver?: (look: Look | null) => boolean;
  /** How long the service runs between two looks. */
  readonly stepMs: number;
}

/**
 * Lets the service run only for moments, looks at its database in between, and kills it, frozen, as soon as the phase is seen: so
 * that the aim does not depend on how fast the machine is. Kills also when the phase was missed; `hit` tells.
 */
export async function killAt(
  stage: Pick<Stage, 'serve'>,
  { isNow, isOver = () => false, stepMs }: Aim,
): Promise<{ readonly hit: boolean; readonly look: Look | null }> {
  const until = Date.now() + AIMING_MS;
  for (;;) {
    if (!(await stage.serve.freeze()))
      throw new Error(`serve ended by itself: ${stage.serve.log()}`);
    const look = lookNow(stage);
    const hit = isNow(look);
    if (hit || isOver(look) || Date.now() > until) {
      await stage.serve.kill();
      return { hit, look };
    }
    stage.serve.thaw();
    await sleep(stepMs);
  }
}
