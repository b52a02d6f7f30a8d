import type { LayerDeclaration, LayerStore } from '../../functions/ports/layer-store.ts';

/** A log that nobody reads. */
export const quietLog = { info: () => {} };

/** Sends a whole blob into the open session, as the CLI does. */
export async function sendToSession(
  layers: LayerStore,
  declaration: LayerDeclaration,
  blob: Uint8Array,
): Promise<void> {
  const { uploadUrl } = await layers.begin(declaration);
  if (uploadUrl === null) throw new Error('all bytes of the layer are there already');
  const response = await putRange(uploadUrl, { first: 0, bytes: blob, total: blob.length });
  if (!response.ok) throw new Error(`upload: HTTP ${response.status}`);
}

/** PUTs bytes to a session, or asks it how far it is when there are none. */
export async function putRange(
  uploadUrl: string,
  { first, bytes, total }: { first: number; bytes: Uint8Array | null; total: number },
): Promise<Response> {
  const range = bytes === null ? '*' : `${first}-${first + bytes.length - 1}`;
  const response = await fetch(uploadUrl, {
    method: 'PUT',
    headers: { 'Content-Range': `bytes ${range}/${total}` },
    body: bytes === null ? null : new Uint8Array(bytes),
    redirect: 'manual',
  });
  await response.arrayBuffer();
  return response;
}

/** Names of what is staged: bytes, and sessions that are not the memory of a refusal. */
export async function stagedNames(
  names: readonly string[],
  layers: Pick<LayerStore, 'check'>,
): Promise<string[]> {
  const left: string[] = [];
  for (const name of names) {
    const [folder, id = ''] = name.split('/');
    if (folder === 'layers') continue;
    const [state] = folder === 'sessions' ? await layers.check([id.replace('.json', '')]) : [];
    if (state?.state !== 'failed') left.push(name);
  }
  return left;
}
