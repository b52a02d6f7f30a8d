import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { createClient } from '../../../../cli/lib/client.ts';
import { MAX_TRIES, requestJson } from '../../../../cli/lib/request.ts';
import { aSubmission } from '../../../doubles/api-views.ts';
import { type FakeState, startFakeService } from '../../../doubles/fake-service.ts';

describe('a request', () => {
  test('that only asks is repeated, with growing delays', async (t) => {
    const { client, state, slept } = await setUp(t, {
      fault: (_, count) => (count <= 3 ? { code: 'UNAVAILABLE' } : undefined),
    });
    await client.service();
    t.expect(state.requests).toHaveLength(4);
    t.expect(slept).toEqual([187.5, 375, 750]);
  });

  test('waits as long as the service asks', async (t) => {
    const { client, slept } = await setUp(t, {
      fault: (_, count) =>
        count === 1 ? { code: 'STORE_BUSY', headers: { 'Retry-After': '3' } } : undefined,
    });
    await client.service();
    t.expect(slept).toEqual([3_000]);
  });

  test('survives a broken connection', async (t) => {
    const { client } = await setUp(t, { fault: (_, count) => (count === 1 ? 'drop' : undefined) });
    t.expect((await client.service()).name).toBe('caliban');
  });

  test('is given up after a bounded number of tries, with the reason', async (t) => {
    const { client, state } = await setUp(t, { fault: () => 'drop' });
    await t.expect(client.service()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: t.expect.stringContaining('cannot be reached'),
    });
    t.expect(state.requests).toHaveLength(MAX_TRIES);
  });

  test('that fails for good is not repeated', async (t) => {
    const { client, state } = await setUp(t, {});
    await t.expect(client.job('nope')).rejects.toMatchObject({
      code: 'JOB_NOT_FOUND',
      context: { requestId: 'request-1' },
    });
    t.expect(state.requests).toHaveLength(1);
  });

  test('that changes something is sent once', async (t) => {
    const { remote, state } = await setUp(t, { fault: () => ({ code: 'UNAVAILABLE' }) });
    const call = { method: 'POST', path: '/v1/plans', body: {}, answer: z.unknown() } as const;
    await t.expect(requestJson(remote, call)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    t.expect(state.requests).toHaveLength(1);
  });

  test('that submits carries one key through all repetitions', async (t) => {
    const { client, state } = await setUp(t, {
      progress: [aSubmission()],
      fault: (request, count) =>
        request === 'POST /v1/submissions' && count === 1 ? 'drop' : undefined,
    });
    await client.submit(SPEC, 'key-1');
    t.expect(state.submissions.map(({ key }) => key)).toEqual(['key-1']);
    t.expect(state.requests).toHaveLength(2);
  });

  test('ends at once when the user leaves', async (t) => {
    const leave = new AbortController();
    const { client } = await setUp(
      t,
      {
        fault: () => {
          leave.abort(new Error('left'));
          return undefined;
        },
      },
      leave.signal,
    );
    await t.expect(client.service()).rejects.toThrow('left');
  });

  test.for([
    [401, 'UNAUTHENTICATED'],
    [403, 'FORBIDDEN'],
    [404, 'ROUTE_NOT_FOUND'],
    [418, 'REQUEST_INVALID'],
    [502, 'UNAVAILABLE'],
  ] as const)('answered %i by something else than a service is %s', async ([status, code], t) => {
    const { remote } = await setUp(t, {});
    const stranger = { ...remote, fetch: async () => new Response('<html>', { status }) };
    await t.expect(createClient(stranger).service()).rejects.toMatchObject({ code });
  });

  test('answered with another form is not taken', async (t) => {
    const { remote, slept } = await setUp(t, {});
    const stranger = { ...remote, fetch: async () => Response.json({ name: 'other' }) };
    await t.expect(createClient(stranger).service()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: t.expect.stringContaining('unexpected'),
    });
    t.expect(slept).toEqual([]);
  });

  test('encodes what stands in its path', async (t) => {
    const { client, state } = await setUp(t, {});
    await client.group('a/b c').catch(() => {});
    t.expect(state.requests).toEqual(['GET /v1/groups/a%2Fb%20c']);
  });
});

const SPEC = {
  schemaVersion: 1 as const,
  module: 'm',
  scriptPath: 'm.py',
  command: ['python', 'm.py'],
  scriptArgs: [],
  config: null,
  configLayer: null,
  group: 'g',
  name: null,
  labels: {},
  mode: 'cpu' as const,
  hardware: { gpu: null, tpu: null, machineType: null, region: null },
  projectId: null,
  platform: null,
  image: null,
  codeLayers: [],
  dependencies: { base: null, apt: [], python: null, extras: [], layer: null, requirements: null },
  source: { path: '/', extraDirs: [] },
};

async function setUp(
  t: TestContext,
  given: Partial<FakeState>,
  signal: AbortSignal = new AbortController().signal,
) {
  const { url, state } = await startFakeService(t.onTestFinished, given);
  const slept: number[] = [];
  const remote = {
    url,
    token: 'secret',
    fetch: (request: Request) => fetch(request),
    clock: {
      now: () => 0,
      random: () => 0.5,
      async sleep(ms: number) {
        slept.push(ms);
      },
    },
    signal,
  };
  return { remote, client: createClient(remote), state, slept };
}
