import { statSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import { join } from 'node:path';
import * as z from 'zod';
import type { BuiltLayer } from '../doubles/tar-builder.ts';
import { type Answer, openRequest, post, send, sendUntilAnswered } from './raw-client.ts';
import type { Stage } from './stage.ts';

const session = z.object({ uploadUrl: z.string() });

/** Opens, or finds, the session of a layer. */
export async function beginUpload(stage: Stage, { declaration }: BuiltLayer): Promise<string> {
  const begun = await sendUntilAnswered(
    () => stage.serve.address,
    post('/v1/layers', { ...declaration }),
  );
  return session.parse(JSON.parse(begun.text)).uploadUrl;
}

/** Begins to send a whole layer in one PUT, and writes only its first bytes. */
export function sendPart(
  stage: Stage,
  path: string,
  { layer, bytes }: { readonly layer: BuiltLayer; readonly bytes: number },
): ClientRequest {
  const total = layer.blob.length;
  const headers = {
    'Content-Range': `bytes 0-${total - 1}/${total}`,
    'Content-Length': String(total),
  };
  const sent = openRequest(stage.serve.address, { method: 'PUT', path, headers });
  sent.on('error', () => undefined);
  sent.write(layer.blob.subarray(0, bytes));
  return sent;
}

/** Bytes of a layer that is not complete yet, as its file on the disk says. */
export function stagedBytes({ serve }: Stage, { declaration }: BuiltLayer): number {
  const path = join(serve.dataDir, 'layers', 'staging', `${declaration.diffId}.part`);
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Bytes of a layer that the service says it has. */
export async function receivedBytes(stage: Stage, layer: BuiltLayer): Promise<number> {
  const path = await beginUpload(stage, layer);
  const headers = { 'Content-Range': `bytes */${layer.blob.length}` };
  const asked = { method: 'PUT', path, headers, body: new Uint8Array() } as const;
  return bytesIn(await sendUntilAnswered(() => stage.serve.address, asked), layer);
}

/** Sends a layer to its end by the resumable protocol, wherever earlier tries left it. */
export async function uploadLayer(stage: Stage, layer: BuiltLayer): Promise<void> {
  const { diffId } = layer.declaration;
  const total = layer.blob.length;
  for (;;) {
    const received = await receivedBytes(stage, layer);
    const path = `/v1/layers/${diffId}/upload`;
    if (received < total) {
      const headers = { 'Content-Range': `bytes ${received}-${total - 1}/${total}` };
      const body = layer.blob.subarray(received);
      // A break is met by asking again how many bytes are there.
      await send(stage.serve.address, { method: 'PUT', path, headers, body }).catch(
        () => undefined,
      );
      continue;
    }
    const complete = post(`/v1/layers/${diffId}/complete`, {});
    const { status, text } = await sendUntilAnswered(() => stage.serve.address, complete);
    if (status === 200) return;
    throw new Error(`layer ${diffId} was not taken: ${status} ${text}`);
  }
}

function bytesIn(answer: Answer, { blob }: BuiltLayer): number {
  if (answer.status === 200) return blob.length;
  if (answer.status !== 308) throw new Error(`not asked well: ${answer.status} ${answer.text}`);
  const last = /^bytes=0-(\d+)$/.exec(answer.range ?? '')?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}
