import { describe, test } from 'vitest';
import type { ReadyCheck } from '../../../../functions/core/readiness.ts';
import { errorBody } from '../../../../shared/api/error.ts';
import { createApiBench } from '../../../doubles/api-bench.ts';

describe('GET /healthz', () => {
  test('says which start of the service answers, to anybody, whatever is not ready', async ({
    expect,
  }) => {
    const { send } = createApiBench({ api: { watch: watching(aCheck('loop', 'is stuck')) } });
    const answer = await send('/healthz', { token: null });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ok', instance: 'instance-1', version: '1.2.3' });
  });
});

describe('GET /readyz', () => {
  test('is 200 when the store answers and every part works', async ({ expect }) => {
    const { send } = createApiBench({ api: { watch: watching(aCheck('loop', null)) } });
    const answer = await send('/readyz', { token: null });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ready' });
  });

  test('names every part that is not ready, in the one error form', async ({ expect }) => {
    const watch = watching(
      aCheck('outbox loop', 'has done nothing for 75 s'),
      aCheck('sync loop', null),
      aCheck('data directory', 'has 3 MiB free'),
    );
    const answer = await createApiBench({ api: { watch } }).send('/readyz', { token: null });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('Retry-After')).toBe('1');
    expect(errorBody.parse(await answer.json()).error).toMatchObject({
      code: 'UNAVAILABLE',
      message:
        'Not ready: the outbox loop has done nothing for 75 s; the data directory has 3 MiB free.',
      context: { notReady: ['outbox loop', 'data directory'] },
    });
  });

  test('is 503 when the store fails, without its words', async ({ expect }) => {
    const { send, deps } = createApiBench();
    deps.store.list = () => Promise.reject(new Error('/home/ada/.caliban/service.db is broken'));
    const answer = await send('/readyz', { token: null });
    const text = await answer.text();
    expect(answer.status).toBe(503);
    expect(text).toContain('the store does not answer a read');
    expect(text).not.toContain('/home');
  });

  test('is 503 when the store does not answer within two seconds', async ({ expect }) => {
    const { send, deps, clock } = createApiBench();
    deps.store.list = () => new Promise(() => undefined);
    const answer = await clock.until(send('/readyz', { token: null }));
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('the store has not answered a read within 2 s');
    expect(clock.sleeping()).toBe(0);
  });

  test('is found out once a second, however many ask', async ({ expect }) => {
    let looks = 0;
    const part = aCheck('loop', null, () => {
      looks += 1;
    });
    const { send, clock } = createApiBench({ api: { watch: watching(part) } });
    await Promise.all([send('/readyz'), send('/readyz'), send('/readyz')]);
    await clock.advance(999);
    await send('/readyz');
    expect(looks).toBe(1);
    await clock.advance(1);
    await send('/readyz');
    expect(looks).toBe(2);
  });
});

function aCheck(part: string, wrong: string | null, looked = () => {}): ReadyCheck {
  const look = async () => {
    looked();
    return wrong;
  };
  return { part, look };
}

function watching(...checks: readonly ReadyCheck[]) {
  return { checks, families: () => [] };
}
