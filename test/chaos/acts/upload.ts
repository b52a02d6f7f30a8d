import { setTimeout as sleep } from 'node:timers/promises';
import type { BuiltLayer } from '../../doubles/tar-builder.ts';
import type { Act, Sweep } from '../plan.ts';
import { post, send } from '../raw-client.ts';
import { scriptLayer } from '../script.ts';
import { type Kill, type Stage, startAgain, waitFor } from '../stage.ts';
import { submitUntilAnswered } from '../submit.ts';
import { beginUpload, receivedBytes, sendPart, stagedBytes, uploadLayer } from '../upload.ts';

const BALLAST = 512 * 1024;

/** Killed while a layer comes in: with half a body sent, or while it is verified. The upload goes on where it was. */
export async function killInUpload(stage: Stage, act: Act, sweep: Sweep): Promise<Kill> {
  const layer = scriptLayer(sweep.name, BALLAST);
  const kill =
    act.aim === 'verification'
      ? await killInVerification(stage, act, layer)
      : await killInBody(stage, act, layer);
  await uploadLayer(stage, layer);
  await submitUntilAnswered(stage, sweep, layer.declaration.diffId);
  return kill;
}

async function killInBody(stage: Stage, act: Act, layer: BuiltLayer): Promise<Kill> {
  const total = layer.blob.length;
  const bytes = Math.floor(total * act.share);
  const path = await beginUpload(stage, layer);
  const sent = sendPart(stage, path, { layer, bytes });
  await waitFor('bytes of the upload on the disk', () => stagedBytes(stage, layer) > 0);
  await stage.serve.kill();
  sent.destroy();
  const onDisk = stagedBytes(stage, layer);
  await startAgain(stage, act.downMs);
  const received = await receivedBytes(stage, layer);
  if (received !== onDisk)
    stage.ledger.broken.push(`of an upload ${onDisk} bytes were there, then ${received}`);
  const moment = `half a body: ${bytes} of ${total} bytes sent, ${onDisk} on the disk`;
  return { phase: 'upload', moment, hit: onDisk > 0 && onDisk < total };
}

async function killInVerification(stage: Stage, act: Act, layer: BuiltLayer): Promise<Kill> {
  const { diffId } = layer.declaration;
  const total = layer.blob.length;
  const path = await beginUpload(stage, layer);
  const headers = { 'Content-Range': `bytes 0-${total - 1}/${total}` };
  await send(stage.serve.address, { method: 'PUT', path, headers, body: layer.blob });
  let answered = false;
  const completing = send(stage.serve.address, post(`/v1/layers/${diffId}/complete`, {})).then(
    () => {
      answered = true;
    },
    () => undefined,
  );
  await sleep(act.share * 6);
  await stage.serve.kill();
  await completing;
  await startAgain(stage, act.downMs);
  const moment = `verification: all ${total} bytes sent, ${answered ? 'verified' : 'no answer yet'}`;
  return { phase: 'upload', moment, hit: !answered };
}
