import { readLines } from '../lines.ts';
import type { Act, Sweep } from '../plan.ts';
import { post, send, sendUntilAnswered } from '../raw-client.ts';
import { type Kill, type Stage, startAgain, waitFor } from '../stage.ts';
import { killAt } from '../stop-motion.ts';
import { plainLayer, submitUntilAnswered } from '../submit.ts';

/** Killed while a group is being stopped; the client repeats its wish. */
export async function killInStop(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  const { id, group } = await submitUntilAnswered(stage, sweep, await plainLayer(stage));
  await waitFor('a job that is to be stopped to run', () =>
    readLines(stage.lines).some(({ jobId }) => jobId.startsWith(id)),
  );
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
  return {
    phase: 'stop',
    moment: `the wish is written down; ${live} of ${sweep.points.length} live`,
    hit,
  };
}
