import * as z from 'zod';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { aSpec } from '../doubles/a-spec.ts';
import { configOf, type Sweep } from './plan.ts';
import { type Asked, post, sendUntilAnswered } from './raw-client.ts';
import { SCRIPT, scriptLayer } from './script.ts';
import type { Stage } from './stage.ts';
import { uploadLayer } from './upload.ts';

const submissionReply = z.object({
  id: z.string(),
  jobs: z.number(),
  group: z.object({ id: z.string() }),
});

/** The request that submits a sweep; its name is the Idempotency-Key. */
export function submission(stage: Stage, sweep: Sweep, diffId: string): Asked {
  return post('/v1/submissions', specOf(stage, sweep, diffId), { 'Idempotency-Key': sweep.name });
}

function specOf({ lines }: Stage, sweep: Sweep, diffId: string): SubmissionSpec {
  return aSpec({
    module: SCRIPT,
    scriptPath: SCRIPT,
    command: ['sh', SCRIPT],
    scriptArgs: [lines],
    config: configOf(sweep),
    group: sweep.group,
    name: sweep.name,
    codeLayers: [diffId],
  });
}

/** Sends the program, once for the whole run, and gives its layer. */
export async function plainLayer(stage: Stage): Promise<string> {
  const layer = scriptLayer('plain');
  await uploadLayer(stage, layer);
  return layer.declaration.diffId;
}

/** Submits until there is an answer, then once more with the same key: the answer must be the same. */
export async function submitUntilAnswered(
  stage: Stage,
  sweep: Sweep,
  diffId: string,
): Promise<z.infer<typeof submissionReply>> {
  const asked = submission(stage, sweep, diffId);
  const first = await sendUntilAnswered(() => stage.serve.address, asked);
  if (first.status !== 202) throw new Error(`${sweep.name} was answered ${first.text}`);
  const reply = submissionReply.parse(JSON.parse(first.text));
  stage.ledger.accepted({ sweep, id: reply.id, by: 'http', jobs: reply.jobs });
  const again = await sendUntilAnswered(() => stage.serve.address, asked);
  stage.ledger.repeated(sweep.name, again.status === 202 && again.text === first.text);
  return reply;
}
