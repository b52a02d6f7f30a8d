import { setTimeout as sleep } from 'node:timers/promises';
import { statesText } from '../look.ts';
import type { Act, Sweep } from '../plan.ts';
import { type Kill, lookNow, type Stage, startAgain } from '../stage.ts';
import { plainLayer, submitUntilAnswered } from '../submit.ts';

/** Ended with work left, then killed while it starts and takes that work up. */
export async function killInStart(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  await submitUntilAnswered(stage, sweep, await plainLayer(stage));
  const { code } = await stage.serve.stop();
  if (code !== 0) stage.ledger.broken.push(`asked to end, serve ended with status ${code}`);
  stage.serve.spawn();
  const waitMs = Math.floor(20 + act.share * 200);
  await sleep(waitMs);
  const hit = (await stage.serve.freeze()) && !stage.serve.isAnnounced();
  await stage.serve.kill();
  const moment = `${waitMs} ms after its start, ${hit ? 'before' : 'after'} it listened; ${statesText(lookNow(stage))}`;
  await startAgain(stage, act.downMs);
  return { phase: 'start', moment, hit };
}
