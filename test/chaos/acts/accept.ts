import { setTimeout as sleep } from 'node:timers/promises';
import type { Act, Sweep } from '../plan.ts';
import { answerTo, openRequest } from '../raw-client.ts';
import { type Kill, type Stage, startAgain } from '../stage.ts';
import { killAt } from '../stop-motion.ts';
import { plainLayer, submission, submitUntilAnswered } from '../submit.ts';

/** Killed between a request to run experiments and its reply; the client repeats it with the same Idempotency-Key. */
export async function killInAccept(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  const diffId = await plainLayer(stage);
  const kill = await AIMS[act.aim === 'the commit' || act.aim === 'the reply' ? act.aim : 'half'](
    stage,
    sweep,
    { diffId, share: act.share },
  );
  await startAgain(stage, act.downMs);
  await submitUntilAnswered(stage, sweep, diffId);
  return { phase: 'accept', ...kill };
}

type AimedKill = (
  stage: Stage,
  sweep: Sweep,
  how: { readonly diffId: string; readonly share: number },
) => Promise<Omit<Kill, 'phase'>>;

const AIMS = {
  half: killWithHalfARequest,
  'the commit': killAtCommit,
  'the reply': killAtReply,
} as const satisfies Record<string, AimedKill>;

async function killWithHalfARequest(
  stage: Stage,
  sweep: Sweep,
  { diffId, share }: { readonly diffId: string; readonly share: number },
) {
  const asked = submission(stage, sweep, diffId);
  const body = asked.body ?? new Uint8Array();
  const sent = openRequest(stage.serve.address, asked);
  sent.on('error', () => undefined);
  const part = body.subarray(0, Math.floor(body.length * share));
  await new Promise<void>((resolve) => sent.write(part, () => resolve()));
  await sleep(20);
  await stage.serve.kill();
  sent.destroy();
  return { moment: `half a request: ${part.length} of ${body.length} bytes sent`, hit: true };
}

// The reply leaves within a millisecond of the commit: when it was quicker than the kill, the client has not read it.
async function killAtCommit(stage: Stage, sweep: Sweep, { diffId }: { readonly diffId: string }) {
  const asked = submission(stage, sweep, diffId);
  const sent = openRequest(stage.serve.address, asked);
  let answered = false;
  const answer = answerTo(sent).then(
    () => {
      answered = true;
    },
    () => undefined,
  );
  sent.end(asked.body);
  const { hit } = await killAt(stage, {
    isNow: (look) => look?.submissions.has(sweep.name) === true,
    stepMs: 1,
  });
  sent.destroy();
  await answer;
  return { moment: `the commit: done, ${answered ? 'reply not read' : 'no reply'}`, hit };
}

async function killAtReply(stage: Stage, sweep: Sweep, { diffId }: { readonly diffId: string }) {
  const asked = submission(stage, sweep, diffId);
  const sent = openRequest(stage.serve.address, asked);
  sent.end(asked.body);
  await new Promise<void>((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (response) => {
      response.destroy();
      resolve();
    });
  });
  sent.removeAllListeners('error').on('error', () => undefined);
  await stage.serve.kill();
  return { moment: 'the reply: on its way, lost', hit: true };
}
