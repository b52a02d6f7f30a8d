import { readdir } from 'node:fs/promises';
import { describe, type TestContext, test } from 'vitest';
import { NOTHING_WATCHED } from '../../../../functions/api/process-watch.ts';
import { makeDataDir } from '../../../../functions/embedded/data-dir.ts';
import { openDoor, refuseOpenBind } from '../../../../functions/embedded/door.ts';
import { errorBody } from '../../../../shared/api/error.ts';
import { coreDeps } from '../../../doubles/builders.ts';
import { aTemporaryDirectory } from '../../../doubles/layer-upload.ts';

const TOKEN = 'token-of-a-test-0123456789';

describe('the door of the service', () => {
  test('once it refuses, nobody finds it and nobody is let in, but it says that it lives', async (t) => {
    const { door, dir, ask, touched } = await aDoor(t);
    await door.refuse();
    t.expect(await readdir(dir.path)).toEqual([]);
    const refused = await ask('/v1/groups');
    t.expect(refused.status).toBe(503);
    t.expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
    t.expect(errorBody.parse(await refused.json()).error.code).toBe('UNAVAILABLE');
    t.expect((await ask('/healthz')).status).toBe(200);
    t.expect(touched()).toBe(0);
  });

  test('what it refused can be taken back', async (t) => {
    const { door, dir, ask, touched } = await aDoor(t);
    await door.refuse();
    await door.admit();
    t.expect(await readdir(dir.path)).toEqual(['serve.json']);
    t.expect((await ask('/v1/groups')).status).toBe(200);
    t.expect(touched()).toBe(1);
    t.expect(door.answering()).toBe(0);
  });

  test('a request counts as long as it is being answered', async (t) => {
    const { deps, door, ask } = await aDoor(t);
    const { list } = deps.store;
    const seen: number[] = [];
    deps.store.list = (...asked) => {
      seen.push(door.answering());
      return list(...asked);
    };
    await ask('/v1/groups');
    t.expect(seen).toContain(1);
    t.expect(door.answering()).toBe(0);
  });

  test('whoever only watches the service does not keep it', async (t) => {
    const { deps, door, ask, touched } = await aDoor(t);
    const { list } = deps.store;
    const answering: number[] = [];
    deps.store.list = (...asked) => {
      answering.push(door.answering());
      return list(...asked);
    };
    for (const path of ['/healthz', '/readyz', '/metrics', '/metrics?x=1']) {
      t.expect((await ask(path)).status, path).toBe(200);
    }
    t.expect(touched()).toBe(0);
    t.expect(new Set(answering)).toEqual(new Set([0]));
    await ask('/v1/me?from=/healthz');
    t.expect(touched()).toBe(1);
  });

  test('once it refuses it is not ready, and has no numbers', async (t) => {
    const { door, ask } = await aDoor(t);
    await door.refuse();
    for (const path of ['/readyz', '/metrics', '/v1/me?from=/healthz']) {
      t.expect((await ask(path)).status, path).toBe(503);
    }
    t.expect((await ask('/healthz?x=1')).status).toBe(200);
  });

  test('is open to other machines only with a token of the user', ({ expect }) => {
    for (const host of ['127.0.0.1', '127.8.8.8', '::1', 'localhost']) refuseOpenBind(host, null);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', '']) {
      expect(() => refuseOpenBind(host, null), host).toThrow('would let other machines in');
      refuseOpenBind(host, TOKEN);
    }
  });
});

async function aDoor({ onTestFinished }: TestContext) {
  const dir = await makeDataDir(await aTemporaryDirectory());
  const deps = coreDeps();
  let touches = 0;
  const door = await openDoor({
    ...{ dir, deps, instance: 'one', layers: deps.layers, token: TOKEN },
    watch: NOTHING_WATCHED,
    ...{ host: '127.0.0.1', port: 0, ending: new AbortController().signal },
    note: null,
    jobs: { platform: 'process', slots: 1, limits: { cpus: null, memoryBytes: null } },
    touch: () => {
      touches += 1;
    },
  });
  onTestFinished(() => door.close());
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const ask = (path: string) => fetch(`${door.address}${path}`, { headers });
  return { deps, dir, door, ask, touched: () => touches };
}
