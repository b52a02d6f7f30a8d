import { setImmediate as turn } from 'node:timers/promises';
import { describe, test, vi } from 'vitest';
import { createBaseResolver } from '../../../../../../../functions/adapters/local/docker/images/base-image.ts';
import { createTestClock } from '../../../../../../contract/test-clock.ts';
import { openFakeEngine } from '../../../../../../fixtures/fake-engine.ts';

const D1 = `sha256:${'1'.repeat(64)}`;
const D2 = `sha256:${'2'.repeat(64)}`;
const ID = `sha256:${'a'.repeat(64)}`;

describe('createBaseResolver', () => {
  test('an image of the engine is pinned by the digest of its own repository', async ({
    expect,
    onTestFinished,
  }) => {
    const { answers, resolve } = await opened(onTestFinished);
    const RepoDigests = [`other@${D1}`, `python@${D2}`];
    answers.set('GET /images/docker.io/library/python:3.12/json', [200, { Id: ID, RepoDigests }]);
    expect(await resolve('docker.io/library/python:3.12')).toEqual({
      reference: 'docker.io/library/python:3.12',
      pinned: `docker.io/library/python@${D2}`,
      digest: D2,
      origin: 'named',
    });
  });

  test('an image that was never pushed is pinned by a tag of its id', async ({
    expect,
    onTestFinished,
  }) => {
    const { answers, resolve } = await opened(onTestFinished);
    answers.set('GET /images/mine:1/json', [200, { Id: ID, RepoDigests: [`other@${D1}`] }]);
    const pinned = `caliban/base:${'a'.repeat(64)}`;
    const untagged = { reference: 'mine:1', pinned, digest: ID, origin: 'untagged' };
    expect(await resolve('mine:1')).toEqual(untagged);
    answers.set('GET /images/mine:1/json', [200, { Id: ID }]);
    expect(await resolve('mine:1')).toEqual(untagged);
  });

  test('a digest that is asked for is the one that counts', async ({ expect, onTestFinished }) => {
    const { answers, resolve } = await opened(onTestFinished);
    const RepoDigests = [`python@${D1}`, `python@${D2}`];
    answers.set(`GET /images/python@${D2}/json`, [200, { Id: ID, RepoDigests }]);
    expect(await resolve(`python@${D2}`)).toMatchObject({ pinned: `python@${D2}`, digest: D2 });
  });

  test('another is asked of its registry, once an hour', async ({ expect, onTestFinished }) => {
    const { answers, resolve, asked, clock } = await opened(onTestFinished);
    const line = 'GET /distribution/python:3.12/json';
    answers.set(line, [200, { Descriptor: { digest: D1 } }]);
    const first = { pinned: `python@${D1}`, digest: D1, origin: 'registry' };
    expect(await resolve('python:3.12')).toMatchObject(first);
    answers.set(line, [200, { Descriptor: { digest: D2 } }]);
    clock.set(clock.now() + 3_599_999);
    expect(await resolve('python:3.12')).toMatchObject(first);
    expect(asked.filter((request) => request === line)).toHaveLength(1);
    clock.set(clock.now() + 1);
    expect(await resolve('python:3.12')).toMatchObject({ digest: D2 });
  });

  test('why it cannot be had is told apart', async ({ expect, onTestFinished }) => {
    const { answers, resolve } = await opened(onTestFinished);
    const refusals = [
      [404, 'manifest unknown: manifest unknown', 'nor in its registry', 'name and tag'],
      [403, 'denied: requested access to the resource is denied', 'refuses it', 'docker login'],
      [
        500,
        'Head "https://r/v2/x/manifests/1": no basic auth credentials',
        'refuses it',
        'docker login',
      ],
      [500, 'dial tcp: lookup r: no such host', 'cannot be reached', 'network'],
      // The engine's answer for a registry that cannot now; the engine itself is there.
      [503, 'received unexpected HTTP status: 503', 'cannot be reached', 'network'],
    ] as const;
    for (const [status, message, what, hint] of refusals) {
      answers.set('GET /distribution/r/x:1/json', [status, { message }]);
      const error = await resolve('r/x:1').catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'BUILD_FAILED',
        message: expect.stringMatching(new RegExp(`base image r/x:1 .*${what}`)),
        hint: expect.stringMatching(new RegExp(`${hint}.*--base_image`)),
      });
      expect(error).toMatchObject({ message: expect.stringContaining(message) });
    }
  });

  test('a registry that does not answer is not taken for an engine that does not', async ({
    expect,
    onTestFinished,
  }) => {
    const { answers, asked, resolve } = await opened(onTestFinished);
    const line = 'GET /distribution/r/x:1/json';
    answers.set(line, 'never');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const failure = resolve('r/x:1').catch((thrown: unknown) => thrown);
    while (!asked.includes(line)) await turn();
    vi.advanceTimersByTime(20_000);
    expect(await failure).toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('its registry did not answer within 20 s'),
    });
  });

  test('an engine that is away may be asked again', async ({ expect, onTestFinished }) => {
    const { resolve, close } = await opened(onTestFinished);
    await close();
    await expect(resolve('python:3')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      hint: 'Start Docker.',
    });
  });

  test('an engine that fails is not taken for one that is away', async ({
    expect,
    onTestFinished,
  }) => {
    const { answers, resolve } = await opened(onTestFinished);
    answers.set('GET /images/python:3/json', [500, { message: 'disk on fire' }]);
    const error = await resolve('python:3').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ message: expect.stringContaining('disk on fire') });
    expect(error).not.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('what is no reference never reaches the engine', async ({ expect, onTestFinished }) => {
    const { resolve, asked } = await opened(onTestFinished);
    for (const hostile of ['--help', 'a b', 'x/../../containers', 'python:3\nRUN true', '']) {
      await expect(resolve(hostile)).rejects.toMatchObject({ code: 'BUILD_FAILED' });
    }
    expect(asked).toEqual([]);
  });
});

type Cleanup = (work: () => Promise<void>) => void;

async function opened(onTestFinished: Cleanup) {
  const fake = await openFakeEngine(onTestFinished);
  const clock = createTestClock();
  return { ...fake, clock, resolve: createBaseResolver({ engine: fake.engine, clock }) };
}
