import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'vitest';
import {
  type RelayOptions,
  reversedBy,
  startPushRelay,
} from '../../doubles/push-relay/push-relay.ts';
import { serveHttp } from '../../fixtures/loopback-server.ts';

interface Arrived {
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly body: string;
}

test('hands a push on with its signature, and the status back', async (t) => {
  const { push, arrived, relay } = await opened(t, {
    authorization: async (path) => (path === '/internal/stop' ? 'Bearer signed' : undefined),
    statuses: [204, 400],
  });
  t.expect(await push('/internal/stop', '{"a":"ä"}')).toBe(204);
  t.expect(await push('/internal/image', '')).toBe(400);
  t.expect(arrived).toEqual([
    { path: '/internal/stop', authorization: 'Bearer signed', body: '{"a":"ä"}' },
    { path: '/internal/image', authorization: undefined, body: '' },
  ]);
  t.expect(relay.delivered).toEqual([
    { path: '/internal/stop', status: 204 },
    { path: '/internal/image', status: 400 },
  ]);
});

test('delivers twice, one after the other; the second status counts', async (t) => {
  const { push, arrived } = await opened(t, { fate: () => 'twice', statuses: [204, 503] });
  t.expect(await push('/a', 'x')).toBe(503);
  t.expect(arrived).toHaveLength(2);
});

test('delivers twice at once; the worse status counts', async (t) => {
  const { push, arrived, mostAtOnce } = await opened(t, {
    fate: () => 'twice-at-once',
    statuses: [503, 204],
    together: 2,
  });
  t.expect(await push('/a', 'x')).toBe(503);
  t.expect([arrived.length, mostAtOnce()]).toEqual([2, 2]);
});

test('drops a push, loses a reply, and counts by path', async (t) => {
  const counts: number[] = [];
  const { push, arrived } = await opened(t, {
    fate: ({ path, count }) => {
      counts.push(count);
      return path === '/lost' ? 'lose-reply' : 'drop';
    },
  });
  t.expect(await push('/dropped', 'x')).toBe(503);
  t.expect(await push('/lost', 'x')).toBe(503);
  t.expect(await push('/lost', 'x')).toBe(503);
  t.expect(arrived.map(({ path }) => path)).toEqual(['/lost', '/lost']);
  t.expect(counts).toEqual([1, 1, 2]);
});

test('holds pushes back and lets them go the other way round', async (t) => {
  const held: string[] = [];
  const reversed = reversedBy(3);
  const { push, arrived } = await opened(t, {
    fate: ({ body }) => {
      held.push(body);
      return reversed();
    },
  });
  const pushes = [];
  for (const body of ['1', '2', '3']) {
    pushes.push(push('/a', body));
    await t.expect.poll(() => held).toContain(body);
  }
  t.expect(await Promise.all(pushes)).toEqual([204, 204, 204]);
  t.expect(held).toEqual(['1', '2', '3']);
  t.expect(arrived.map(({ body }) => body).toSorted()).toEqual(['1', '2', '3']);
});

test('a function that is away is status 0 here and 502 there', async (t) => {
  const { push, relay, server } = await opened(t, {});
  await server.close();
  t.expect(await push('/a', 'x')).toBe(502);
  t.expect(relay.delivered).toEqual([{ path: '/a', status: 0 }]);
});

interface Options extends Partial<RelayOptions> {
  readonly statuses?: readonly number[];
  /** Answers nobody before so many have come. */
  readonly together?: number;
}

async function opened(t: TestContext, { statuses = [], together = 1, ...options }: Options) {
  const arrived: Arrived[] = [];
  const waiting: (() => void)[] = [];
  let most = 0;
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await text(request);
    const status = statuses[arrived.length] ?? 204;
    arrived.push({ path: request.url, authorization: request.headers.authorization, body });
    waiting.push(() => void response.writeHead(status).end());
    most = Math.max(most, waiting.length);
    if (waiting.length >= together) for (const answer of waiting.splice(0)) answer();
  };
  const server = await serveHttp((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  t.onTestFinished(() => server.close());
  const relay = await startPushRelay({
    target: `http://127.0.0.1:${server.port}`,
    authorization: async () => undefined,
    ...options,
  });
  t.onTestFinished(() => relay.close());
  const push = async (path: string, body: string) =>
    (await fetch(`${relay.url}${path}`, { method: 'POST', body })).status;
  return { arrived, relay, server, push, mostAtOnce: () => most };
}
