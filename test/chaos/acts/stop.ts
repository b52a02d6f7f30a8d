import { setTimeout as sleep } from 'node:timers/promises';
import { readLines } from '../lines.ts';
import type { Act, Sweep } from '../plan.ts';
import { post, send, sendUntilAnswered } from '../raw-client.ts';
import { type Kill, type Stage, startAgain } from '../stage.ts';
import { killAt } from '../stop-motion.ts';
import { plainLayer, submitUntilAnswered } from '../submit.ts';

/** Killed while a group is being stopped; the client repeats its wish. */
export async function killInStop(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  const { id, group } = await submitUntilAnswered(stage, sweep, await plainLayer(stage));
  // Some run by now, or all of them wait behind others: both can be stopped.
  await sleep(act.delayMs);
  const begun = readLines(stage.lines).filter(({ jobId }) => jobId.startsWith(id)).length;
  const asked = post(`/v1/groups/${group.id}/stop`, { dryRun: false });
  const answered = send(stage.serve.address, asked).catch(() => undefined);
  const { hit, look } = await killAt(stage, {
    isNow: (now) => now?.submissions.get(sweep.name)?.ending === 'requested',
    isOver: (now) => now?.submissions.get(sweep.name)?.ending === 'done',
    stepMs: 1,
  });
  await answered;
  await startAgain(stage, act.downMs);
  const { status, text } = await sendUntilAnswered(() => stage.serve.address, asked);
  if (status !== 200) throw new Error(`${sweep.name} was not stopped: ${text}`);
  const live = look?.submissions.get(sweep.name)?.live ?? 0;
  const jobs = sweep.points.length;
  const moment = `the wish is written down; of ${jobs} jobs ${begun} had begun, ${live} live`;
  return { phase: 'stop', moment, hit };
}
