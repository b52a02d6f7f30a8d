import { test } from 'vitest';
import { errorBody } from '../../../../shared/api/error.ts';
import { createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { operationsOf } from '../../../doubles/openapi-operations.ts';

test('no route below /v1 answers without a known token', async ({ expect }) => {
  const { app, send } = createApiBench();
  const operations = (await operationsOf(app)).filter(({ path }) => path.startsWith('/v1/'));
  expect(operations.length).toBeGreaterThan(15);
  for (const { method, path } of operations) {
    for (const headers of [
      {},
      { Authorization: 'Bearer nobody' },
      { Authorization: 'Basic YTpi' },
    ]) {
      const answer = await send(path.replaceAll(/\{\w+\}/g, 'x'), { method, token: null, headers });
      expect(answer.status, `${method} ${path}`).toBe(401);
      expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer realm="caliban"');
      expect(errorBody.parse(await answer.json()).error.code).toBe('UNAUTHENTICATED');
    }
  }
});

test('without a token an unknown route cannot be told from a known one', async ({ expect }) => {
  const answer = await createApiBench().send('/v1/nothing', { token: null });
  expect(answer.status).toBe(401);
});

test('health, readiness and the description need no token', async ({ expect }) => {
  const { send } = createApiBench();
  for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs']) {
    expect((await send(path, { token: null })).status, path).toBe(200);
  }
});

test('a viewer looks, but neither submits, uploads nor stops', async ({ expect }) => {
  const { send, submit } = createApiBench();
  const { id, group } = await submit(sweepSpec(), 'k');
  const token = 'token-of-eve';
  const diffId = 'd'.repeat(64);
  const declaration = { diffId, blobSize: 1, encoding: 'identity', uncompressedSize: 1 };
  const refused = [
    send('/v1/submissions', { json: sweepSpec(), token, headers: { 'Idempotency-Key': 'k' } }),
    send('/v1/layers', { json: declaration, token }),
    send(`/v1/layers/${diffId}/complete`, { method: 'POST', token }),
    send(`/v1/layers/${diffId}/upload`, {
      method: 'PUT',
      token,
      headers: { 'Content-Range': 'bytes */1' },
    }),
    send(`/v1/groups/${group.id}/stop`, { json: { dryRun: true }, token }),
  ];
  for (const answer of await Promise.all(refused)) {
    expect(answer.status).toBe(403);
    expect(errorBody.parse(await answer.json()).error.code).toBe('FORBIDDEN');
  }
  expect((await send(`/v1/submissions/${id}`, { token })).status).toBe(200);
  expect((await send('/v1/groups/ada%2Fsweep', { token })).status).toBe(200);
  expect((await send('/v1/plans', { json: sweepSpec(), token })).status).toBe(200);
});

test('a foreign host name is refused, loopback names and given ones are not', async ({
  expect,
}) => {
  const { send } = createApiBench({ api: { allowedHosts: ['Lab-Server.example'] } });
  const status = async (Host: string) => (await send('/healthz', { headers: { Host } })).status;
  for (const host of [
    'localhost',
    '127.0.0.1:8080',
    '[::1]:99',
    'LOCALHOST:1',
    'lab-server.example:80',
  ]) {
    expect(await status(host), host).toBe(200);
  }
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    'x',
  ]) {
    expect(await status(host), host).toBe(403);
  }
});

test('behind a front end every host name is answered', async ({ expect }) => {
  const { send } = createApiBench({ api: { allowedHosts: null } });
  expect((await send('/healthz', { headers: { Host: 'api.example' } })).status).toBe(200);
});

test('no answer may be framed, sniffed, cached, or read by a foreign page', async ({ expect }) => {
  const { send } = createApiBench();
  const headers = { Origin: 'https://evil.example' };
  for (const path of ['/healthz', '/v1/me', '/v1/nothing', '/docs']) {
    const answer = await send(path, { headers });
    expect(answer.headers.get('X-Content-Type-Options'), path).toBe('nosniff');
    expect(answer.headers.get('X-Frame-Options'), path).toBe('DENY');
    expect(answer.headers.get('Cache-Control'), path).toBe('no-store');
    expect(answer.headers.get('Content-Security-Policy'), path).toContain("default-src 'none'");
    expect(answer.headers.get('Access-Control-Allow-Origin'), path).toBeNull();
  }
});
