import { setTimeout as sleep } from 'node:timers/promises';
import { statesText } from '../look.ts';
import type { Act, Sweep } from '../plan.ts';
import { scriptLayer } from '../script.ts';
import { type Kill, lookNow, type Stage, startAgain, waitFor } from '../stage.ts';
import { plainLayer, submitUntilAnswered } from '../submit.ts';
import { beginUpload, sendPart, stagedBytes, uploadLayer } from '../upload.ts';

const BALLAST = 256 * 1024;

/** Asked to end, and killed before it has: while a connection holds it up, or within moments of the wish. */
export async function killInShutdown(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  await submitUntilAnswered(stage, sweep, await plainLayer(stage));
  const kill =
    act.aim === 'open connection'
      ? await killHeldUp(stage, act, sweep)
      : await killAtOnce(stage, act);
  return { phase: 'shutdown', ...kill };
}

// The end waits some seconds for an answer that is under way.
async function killHeldUp(stage: Stage, act: Act, sweep: Sweep): Promise<Omit<Kill, 'phase'>> {
  const layer = scriptLayer(sweep.name, BALLAST);
  const path = await beginUpload(stage, layer);
  const bytes = Math.floor(layer.blob.length * act.share);
  const sent = sendPart(stage, path, { layer, bytes });
  await waitFor('bytes of the upload on the disk', () => stagedBytes(stage, layer) > 0);
  stage.serve.signal('SIGTERM');
  await waitFor('the end of the announcement', () => !stage.serve.isAnnounced());
  await sleep(act.delayMs);
  const { signal } = await stage.serve.kill();
  sent.destroy();
  const moment = `open connection: ${act.delayMs} ms after it took its word back; ${statesText(lookNow(stage))}`;
  await startAgain(stage, act.downMs);
  await uploadLayer(stage, layer);
  return { moment, hit: signal === 'SIGKILL' };
}

async function killAtOnce(stage: Stage, act: Act): Promise<Omit<Kill, 'phase'>> {
  const waitMs = Math.floor(act.share * 20);
  stage.serve.signal('SIGTERM');
  await sleep(waitMs);
  const isAnnounced = stage.serve.isAnnounced();
  const { signal } = await stage.serve.kill();
  const moment = `at once: ${waitMs} ms after TERM, ${isAnnounced ? 'still' : 'no longer'} announced; ${statesText(lookNow(stage))}`;
  await startAgain(stage, act.downMs);
  return { moment, hit: signal === 'SIGKILL' };
}
