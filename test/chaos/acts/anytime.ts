import { setTimeout as sleep } from 'node:timers/promises';
import { statesText } from '../look.ts';
import type { Act, Sweep } from '../plan.ts';
import { cloudUntilAccepted } from '../real-cli.ts';
import { type Kill, lookNow, type Stage, startAgain } from '../stage.ts';
import { plainLayer, submitUntilAnswered } from '../submit.ts';

/** Killed at a moment of the seed's choice, with a submission before it or under way by the real CLI. */
export async function killAnytime(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  const isCli = act.aim === 'cli';
  if (!isCli) await submitUntilAnswered(stage, sweep, await plainLayer(stage));
  const submitting = isCli ? cloudUntilAccepted(stage, sweep) : Promise.resolve();
  const waitMs = isCli ? Math.floor(act.delayMs / 4) : act.delayMs;
  await sleep(waitMs);
  await stage.serve.kill();
  const moment = `${waitMs} ms ${isCli ? 'into caliban cloud' : 'after a submission'}: ${statesText(lookNow(stage))}`;
  await startAgain(stage, act.downMs);
  await submitting;
  return { phase: 'anytime', moment, hit: true };
}
