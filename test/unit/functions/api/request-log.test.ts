import { describe, test } from 'vitest';
import { createApiBench, sweepSpec } from '../../../doubles/api-bench.ts';

describe('the log of requests', () => {
  test('has one line for each, with who asked for what and what came of it', async ({ expect }) => {
    const { send, logged } = createApiBench();
    await send('/v1/groups?owner=*', { headers: { 'X-Request-Id': 'mine-1' } });
    await send('/v1/jobs/nothing', { token: 'unknown' });
    expect(logged).toMatchObject([
      {
        ...{ level: 'info', message: 'request' },
        fields: {
          ...{ requestId: 'mine-1', method: 'GET', path: '/v1/groups' },
          ...{ status: 200, principal: 'ada' },
        },
      },
      { level: 'info', fields: { path: '/v1/jobs/nothing', status: 401, principal: undefined } },
    ]);
    for (const { fields } of logged) expect(fields['ms']).toBeTypeOf('number');
  });

  test('what is written while a request is answered carries its id', async ({ expect }) => {
    const bench = createApiBench();
    const { id, group } = await bench.submit(sweepSpec(), 'k');
    const headers = { 'X-Request-Id': 'stop-1' };
    await bench.send(`/v1/groups/${group.id}/stop`, { json: { dryRun: false }, headers });
    const [accepted, submitted, requested, stopped] = bench.logged;
    expect(accepted).toMatchObject({
      message: 'submission accepted',
      fields: { submissionId: id, jobs: 2, principal: 'ada' },
    });
    expect(accepted?.fields['requestId']).toBe(submitted?.fields['requestId']);
    expect(requested).toMatchObject({
      message: 'end of submission requested',
      fields: { submissionId: id, requestId: 'stop-1', to: 'STOPPED', cause: 'stop-requested' },
    });
    expect(stopped).toMatchObject({ message: 'request', fields: { requestId: 'stop-1' } });
    expect(bench.logged).toHaveLength(4);
  });

  test('what is asked for every few seconds is told only when it fails, or everything is', async ({
    expect,
  }) => {
    const { send, logged, deps } = createApiBench();
    for (const path of ['/healthz', '/readyz', '/metrics']) await send(path);
    expect(logged.map(({ level }) => level)).toEqual(['debug', 'debug', 'debug']);
    deps.store.list = () => Promise.reject(new Error('the disk is gone'));
    await send('/v1/groups');
    const [defect, request] = logged.slice(3);
    expect(defect).toMatchObject({ level: 'error', message: 'defect' });
    expect(request).toMatchObject({ level: 'warn', fields: { status: 500 } });
    expect(defect?.fields['requestId']).toBe(request?.fields['requestId']);
  });

  test('has no token, no query and no argument of a script, at any level', async ({ expect }) => {
    const bench = createApiBench();
    const secret = 'hunter2-0123456789';
    await bench.send(`/v1/me?token=${secret}`, { token: secret });
    await bench.send('/v1/me', { headers: { Cookie: secret, Referer: `http://x/${secret}` } });
    await bench.send('/v1/me', { token: null, headers: { Authorization: `Basic ${secret}` } });
    const spec = sweepSpec({
      scriptArgs: ['--password', secret],
      config: JSON.stringify({ key: [secret, 2] }),
      labels: { team: secret },
    });
    await bench.submit(spec, secret);
    await bench.submit(sweepSpec({ ...spec, config: '{"a": 1}' }), secret).catch(() => undefined);
    await bench.work();
    await bench.later();
    expect(bench.logged.filter(({ message }) => message === 'job moved').length).toBeGreaterThan(5);
    expect(JSON.stringify(bench.logged)).not.toContain(secret);
  });

  test('leaves a path whole: who knows the secrets cuts it, after them', async ({ expect }) => {
    const { send, logged } = createApiBench();
    await send(`/${'x'.repeat(5_000)}`);
    expect(logged[0]?.fields['path']).toHaveLength(5_001);
  });
});
