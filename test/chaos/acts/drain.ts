import { jobsIn, type Look, statesText } from '../look.ts';
import type { Act, Sweep } from '../plan.ts';
import { type Kill, type Stage, startAgain } from '../stage.ts';
import { killAt } from '../stop-motion.ts';
import { plainLayer, submitUntilAnswered } from '../submit.ts';

/** Killed while waiting jobs are handed to the platform: right after a claim, a submit, or while programs run. */
export async function killInDrain(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  await submitUntilAnswered(stage, sweep, await plainLayer(stage));
  const { hit, look } = await killAt(stage, {
    isNow: (now) => now !== null && isUnderWay(now, act.aim),
    // Jobs that wait for their turn are not over, even when all that run do not end by themselves.
    isOver: (now) => now?.submissions.get(sweep.name)?.expanded === true && isDrained(now),
    stepMs: 2,
  });
  await startAgain(stage, act.downMs);
  return { phase: 'drain', moment: `${act.aim}: ${statesText(look)}`, hit };
}

function isUnderWay(look: Look, aim: string): boolean {
  if (aim === 'a claim') return jobsIn(look, 'SUBMITTING') > 0;
  if (aim === 'a submit') return jobsIn(look, 'SUBMITTED') > 0;
  return jobsIn(look, 'RUNNING') > 0;
}

function isDrained(look: Look): boolean {
  return jobsIn(look, 'QUEUED', 'SUBMITTING', 'SUBMITTED') === 0;
}
