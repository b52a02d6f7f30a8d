import type { Context, Hono } from 'hono';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Env, FakeState } from './fake-service.ts';

/** The upload routes of the fake service. */
export function addLayers(app: Hono<Env>, state: FakeState): void {
  app.post('/v1/layers/check', async (c) => {
    const { diffIds } = await c.req.json<{ diffIds: string[] }>();
    const layers = diffIds.map((diffId) => ({
      diffId,
      state: state.layers.has(diffId) ? 'verified' : 'missing',
      reason: null,
    }));
    return c.json({ layers });
  });
  app.post('/v1/layers', async (c) => {
    const { diffId, blobSize } = await c.req.json<{ diffId: string; blobSize: number }>();
    if (!state.sessions.has(diffId)) {
      state.sessions.set(diffId, { total: blobSize, bytes: Buffer.alloc(0) });
    }
    return c.json({ uploadUrl: `/v1/layers/${diffId}/upload` });
  });
  app.put('/v1/layers/:diffId/upload', async (c) => {
    const session = state.sessions.get(c.req.param('diffId'));
    if (session === undefined) throw new AppError('UPLOAD_NOT_FOUND', 'No such upload.');
    await receive(c, session);
    const have = session.bytes.length;
    if (have === session.total) return c.body(null, 200);
    return c.body(null, 308 as 304, have === 0 ? {} : { Range: `bytes=0-${have - 1}` });
  });
  app.post('/v1/layers/:diffId/complete', (c) => {
    const diffId = c.req.param('diffId');
    const session = state.sessions.get(diffId);
    if (session === undefined || session.bytes.length !== session.total) {
      throw new AppError('LAYER_INVALID', 'The layer is not whole.');
    }
    state.layers.set(diffId, session.bytes);
    return c.json({ diffId, state: 'verified' });
  });
}

// Takes a range that goes on where the session stands, or as much of it as the fault lets through.
async function receive(c: Context<Env>, session: { bytes: Buffer }): Promise<void> {
  const first = /^bytes (\d+)-\d+\/\d+$/.exec(c.req.header('Content-Range') ?? '')?.[1];
  if (first === undefined || Number(first) !== session.bytes.length) return;
  const fault = c.get('fault');
  const breaks = typeof fault === 'object' && 'dropAfter' in fault;
  let room = breaks ? fault.dropAfter : Number.POSITIVE_INFINITY;
  const parts: Uint8Array[] = [];
  for await (const chunk of c.req.raw.body ?? []) {
    parts.push(chunk.subarray(0, room));
    room = Math.max(0, room - chunk.length);
    if (room === 0) break;
  }
  session.bytes = Buffer.concat([session.bytes, ...parts]);
  if (breaks) c.env.incoming.socket.destroy();
}
