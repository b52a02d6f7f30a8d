import type { Act, Sweep } from '../plan.ts';
import { sendUntilAnswered } from '../raw-client.ts';
import { type Kill, type Stage, startAgain } from '../stage.ts';
import { killAt } from '../stop-motion.ts';
import { plainLayer, submission, submitUntilAnswered } from '../submit.ts';

const CHUNK = 200;

/** Killed while a sweep is written down: some of its chunks are there, others not. */
export async function killInExpansion(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  const diffId = await plainLayer(stage);
  const chunks = Math.ceil(sweep.points.length / CHUNK);
  const target = Math.max(Math.min(1, chunks - 1), Math.floor(act.share * chunks));
  let gone = false;
  const asked = submission(stage, sweep, diffId);
  // Sent while the service runs only for moments: by the time of an answer it could all be over.
  const answered = sendUntilAnswered(
    () => stage.serve.address,
    asked,
    () => gone,
  ).catch(() => undefined);
  const { hit, look } = await killAt(stage, {
    isNow: (now) => {
      const seen = now?.submissions.get(sweep.name);
      return seen !== undefined && !seen.expanded && seen.written >= target;
    },
    isOver: (now) => now?.submissions.get(sweep.name)?.expanded === true,
    stepMs: 2,
  });
  gone = true;
  await answered;
  await startAgain(stage, act.downMs);
  await submitUntilAnswered(stage, sweep, diffId);
  const written = look?.submissions.get(sweep.name)?.written ?? 0;
  return { phase: 'expansion', moment: `${written} of ${chunks} chunks written`, hit };
}
