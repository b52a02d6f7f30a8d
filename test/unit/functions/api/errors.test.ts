import { test } from 'vitest';
import * as z from 'zod';
import { errorBody } from '../../../../shared/api/error.ts';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';
import { operationsOf } from '../../../doubles/openapi-operations.ts';

const issues = z.object({ issues: z.array(z.object({ path: z.string(), problem: z.string() })) });

test('an unknown path is ROUTE_NOT_FOUND', async ({ expect }) => {
  const { send } = createApiBench();
  for (const path of ['/v1/nothing', '/', '/v1/jobs/', '/v1/groups//jobs', '/v2/me']) {
    expect(await errorOf(send(path)), path).toMatchObject({ status: 404, code: 'ROUTE_NOT_FOUND' });
  }
});

test('a known path with another method is METHOD_NOT_ALLOWED and says which there are', async ({
  expect,
}) => {
  const { send } = createApiBench();
  const wrong = await errorOf(send('/v1/groups/sweep', { method: 'DELETE' }));
  expect(wrong).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
  expect(wrong.headers.get('Allow')).toBe('GET, HEAD');
  const post = await errorOf(send('/v1/submissions', { method: 'PATCH' }));
  expect(post.headers.get('Allow')).toBe('POST');
  expect(await errorOf(send('/v1/me', { method: 'OPTIONS' }))).toMatchObject({ status: 405 });
  expect(await errorOf(send('/healthz', { method: 'PUT' }))).toMatchObject({ status: 405 });
});

test('every problem of a body is named: where, what is expected, what came, what may be meant', async ({
  expect,
}) => {
  const { send } = createApiBench();
  const { group: _, ...rest } = sweepSpec();
  const body = {
    ...rest,
    hardwear: {},
    labels: { team: 5 },
    codeLayers: ['a'.repeat(64), 'x'],
    dependencies: { ...rest.dependencies, pyton: '3.12' },
    module: 'a\u0000b',
  };
  const error = await errorOf(send('/v1/plans', { json: body }));
  expect(error).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
  const problems = Object.fromEntries(
    issues.parse(error.context).issues.map(({ path, problem }) => [path, problem]),
  );
  expect(problems).toMatchObject({
    group: 'expected string, got nothing',
    'labels.team': 'expected string, got 5',
    'codeLayers[1]': 'must be 64 lower-case hex digits, got "x"',
    dependencies: 'unknown field "pyton" (did you mean python?)',
    body: 'unknown field "hardwear" (did you mean hardware?)',
    module: 'must not contain control characters, got "a\\u0000b"',
  });
  for (const path of Object.keys(problems)) expect(error.message).toContain(path);
});

test('of very many problems the first are shown and the rest counted', async ({ expect }) => {
  const json = { diffIds: Array.from({ length: 60 }, () => 'x') };
  const error = await errorOf(createApiBench().send('/v1/layers/check', { json }));
  expect(error.context?.['issues']).toHaveLength(20);
  expect(error.message).toContain('and 40 more');
});

test('an unknown query parameter is refused with the name that may be meant', async ({
  expect,
}) => {
  const error = await errorOf(createApiBench().send('/v1/jobs?stat=FAILED&limit=501'));
  expect(error).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
  expect(error.message).toContain('unknown field "stat" (did you mean state?)');
  expect(error.message).toContain('limit: ');
});

test('a number in a query is decimal digits and nothing else', async ({ expect }) => {
  const { send } = createApiBench();
  for (const text of ['', '%20', '0x10', '1e1', '1.0', '+5', '-0', 'null', '0b1']) {
    for (const name of ['maxJobs', 'limit']) {
      const error = await errorOf(send(`/v1/groups/sweep/experiments?${name}=${text}`));
      expect(error, `${name}=${text}`).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
    }
  }
});

test('a limit of any list that is no number of items is told with its range and a way on', async ({
  expect,
}) => {
  const { app, send } = createApiBench();
  const lists = (await operationsOf(app)).filter(({ parameters }) => parameters.includes('limit'));
  expect(lists).toHaveLength(5);
  for (const { path } of lists) {
    for (const text of ['1e99', 'abc', '0', '-1', '1.5', '501']) {
      const url = `${path.replace(/\{\w+\}/, 'sweep')}?state=QUEUED&limit=${text}`;
      const error = await errorOf(send(url.replace(/(groups|experiments)\?state=QUEUED&/, '$1?')));
      expect(error, url).toMatchObject({
        status: 400,
        code: 'REQUEST_INVALID',
        message: `The query is not valid. limit: must be a whole number from 1 to 500, got "${text}".`,
        hint: 'Leave limit out for 100 items, or take at most 500 and go on with cursor=, the `next` of the answer.',
      });
    }
  }
});

test('malformed JSON is told with its position', async ({ expect }) => {
  const { send } = createApiBench();
  const headers = { 'Content-Type': 'application/json' };
  const bad = (body: string) => errorOf(send('/v1/plans', { method: 'POST', headers, body }));
  const error = await bad('{"a": 1,}');
  expect(error).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
  expect(error.message).toMatch(/position 8/);
  expect((await bad('')).message).toBe('The body is empty.');
  expect((await bad('[1]')).message).toContain('expected object, got a list of 1');
});

test('a body that is no UTF-8, or not declared as JSON, is refused clearly', async ({ expect }) => {
  const { send } = createApiBench();
  const json = { 'Content-Type': 'application/json' };
  const bytes = new Uint8Array([0x7b, 0xff, 0x7d]);
  expect(
    await errorOf(send('/v1/plans', { method: 'POST', headers: json, body: bytes })),
  ).toMatchObject({ status: 400, message: 'The body is not UTF-8.' });
  const form = { 'Content-Type': 'text/plain' };
  expect(
    await errorOf(send('/v1/plans', { method: 'POST', headers: form, body: '{}' })),
  ).toMatchObject({ status: 415, code: 'MEDIA_TYPE_UNSUPPORTED' });
  expect(await errorOf(send('/v1/groups/x/stop', { method: 'POST' }))).toMatchObject({
    status: 415,
  });
});

test('a body over the limit is refused, whether or not it says how long it is', async ({
  expect,
}) => {
  const { send } = createApiBench();
  const headers = { 'Content-Type': 'application/json' };
  const body = ' '.repeat(LIMITS.bodyBytes + 1);
  const chunk = new TextEncoder().encode(' '.repeat(64 * 1024));
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += chunk.length;
      controller.enqueue(chunk);
    },
  });
  const tooLarge = { status: 413, code: 'REQUEST_TOO_LARGE', context: { limit: LIMITS.bodyBytes } };
  const declared = { ...headers, 'Content-Length': String(body.length) };
  const cases = [
    { method: 'POST', headers: declared, body },
    { method: 'POST', headers, body },
    { method: 'POST', headers, body: endless },
  ];
  for (const init of cases) expect(await errorOf(send('/v1/plans', init))).toMatchObject(tooLarge);
  expect(sent).toBeLessThan(LIMITS.bodyBytes + 10 * chunk.length);
});

test('a body that breaks off is no defect of the service', async ({ expect }) => {
  const { send, logged } = createApiBench();
  const headers = { 'Content-Type': 'application/json' };
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array([0x7b])),
    pull: (controller) => controller.error(new Error('connection reset')),
  });
  const error = await errorOf(send('/v1/plans', { method: 'POST', headers, body }));
  expect(error).toMatchObject({ status: 400, message: 'The body broke off after 1 bytes.' });
  expect(logged.filter(({ level }) => level === 'error')).toEqual([]);
});

test('a defect is logged with its stack and shown to nobody', async ({ expect }) => {
  const bench = createApiBench();
  bench.builder.onPlan = async () => {
    throw new TypeError('secret detail');
  };
  const spec = sweepSpec();
  const headers = { 'X-Request-Id': 'seen-in-the-log' };
  const error = await errorOf(bench.send('/v1/plans', { json: spec, headers }));
  expect(error).toMatchObject({ status: 500, code: 'INTERNAL', requestId: 'seen-in-the-log' });
  expect(JSON.stringify(error)).not.toContain('secret');
  const [line] = bench.logged.filter(({ level }) => level === 'error');
  expect(line?.fields['requestId']).toBe('seen-in-the-log');
  expect(line?.fields['error']).toContain('TypeError: secret detail');
});

test('a machine at its limits is no defect: HOST_BUSY, when to ask again, and a line for its operator', async ({
  expect,
}) => {
  const bench = createApiBench();
  bench.builder.onPlan = async () => {
    throw Object.assign(new Error('EMFILE: open /secret/path'), { code: 'EMFILE' });
  };
  const error = await errorOf(bench.send('/v1/plans', { json: sweepSpec() }));
  expect(error).toMatchObject({ status: 503, code: 'HOST_BUSY' });
  expect(error.headers.get('Retry-After')).toBe('2');
  expect(JSON.stringify(error)).not.toContain('secret');
  const told = bench.logged.find(({ message }) => message === 'refused for now');
  expect(told).toMatchObject({ level: 'warn', fields: { path: '/v1/plans' } });
  expect(bench.logged.filter(({ level }) => level === 'error')).toEqual([]);
});

test('a sound request id of the caller is kept, any other replaced', async ({ expect }) => {
  const { send } = createApiBench();
  const idFor = async (id: string) =>
    (await send('/healthz', { headers: { 'X-Request-Id': id } })).headers.get('X-Request-Id');
  expect(await idFor('trace-1.a:b')).toBe('trace-1.a:b');
  for (const id of ['with blank', '<script>', 'x'.repeat(101)]) {
    expect(await idFor(id)).toMatch(/^[0-9a-f]{20}$/);
  }
});

test('a request that is not answered in time is DEADLINE_EXCEEDED', async ({ expect }) => {
  const bench = createApiBench();
  bench.layers.check = () => new Promise(() => {});
  const answer = bench.send('/v1/layers/check', { json: { diffIds: ['a'.repeat(64)] } });
  const startedAt = bench.clock.now();
  expect(await errorOf(bench.clock.until(answer))).toMatchObject({
    status: 504,
    code: 'DEADLINE_EXCEEDED',
  });
  expect(bench.clock.now() - startedAt).toBeGreaterThanOrEqual(LIMITS.requestMs);
});

test('a store that does not answer makes the service not ready, and says when to ask again', async ({
  expect,
}) => {
  const bench = createApiBench();
  bench.deps.store.list = () => Promise.reject(new Error('disk gone'));
  const error = await errorOf(bench.send('/readyz'));
  expect(error).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
  expect(error.headers.get('Retry-After')).toBe('1');
  expect((await bench.send('/healthz')).status).toBe(200);
});

test('strange text in paths and queries is never a defect', async ({ expect }) => {
  const { send } = createApiBench();
  const strange = [
    '%00',
    '%FF',
    '%E0%A4%A',
    '%2F',
    '%2F%2F',
    '%252F',
    '..%2f..',
    '%F0%9F%98%80',
    '%0A',
    '%ED%A0%80',
  ];
  const paths = [
    '/v1/groups/',
    '/v1/jobs/',
    '/v1/submissions/',
    '/v1/builds/',
    '/v1/groups/sweep/jobs?cursor=',
    '/v1/groups?owner=',
    '/v1/jobs?state=',
  ];
  for (const path of paths) {
    for (const text of strange) {
      const answer = await send(path + text);
      expect(answer.status, path + text).toBeLessThan(500);
      if (answer.status !== 200) errorBody.parse(await answer.json());
    }
  }
});
