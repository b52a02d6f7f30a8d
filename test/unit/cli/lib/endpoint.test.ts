import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { createTestCli } from '../../../doubles/cli.ts';
import { type FakeService, startFakeService } from '../../../doubles/fake-service.ts';

describe('the service in use', () => {
  test('is --endpoint before CALIBAN_ENDPOINT before the saved one before serve', async (t) => {
    const { cli, service } = await setUp(t);
    const names = ['flag', 'environment', 'saved', 'running'] as const;
    const services = {} as Record<(typeof names)[number], FakeService>;
    for (const name of names) services[name] = await service(name);
    await writeServeFile(cli.home, services.running, { instance: 'running' });
    const env = { CALIBAN_TOKEN: 'secret' };

    t.expect(await shown(cli, [])).toMatchObject({ origin: 'serve', url: services.running.url });
    await cli.run(['endpoint', 'set', services.saved.url], { env });
    t.expect(await shown(cli, [])).toMatchObject({ origin: 'file', url: services.saved.url });
    const fromEnv = { CALIBAN_ENDPOINT: services.environment.url, ...env };
    t.expect(await shown(cli, [], fromEnv)).toMatchObject({ origin: 'environment' });
    t.expect(
      await shown(cli, ['--endpoint', `${services.flag.url}/`, '--token', 'secret'], fromEnv),
    ).toMatchObject({ origin: 'flag', url: services.flag.url });
    await cli.run(['endpoint', 'unset']);
    t.expect(await shown(cli, [])).toMatchObject({ origin: 'serve' });
  });

  test('the saved token goes to the saved service only', async (t) => {
    const { cli, service } = await setUp(t);
    const saved = await service('saved');
    const other = await service('other');
    await cli.run(['endpoint', 'set', saved.url, '--token', 'secret']);
    const { status } = await cli.run(['status', '--endpoint', other.url]);
    t.expect(status).toBe(4);
    t.expect(new Set(other.state.tokens)).toEqual(new Set([undefined]));
  });

  test('a serve.json whose port was taken by a stranger is ignored, and no token is sent', async (t) => {
    const { cli, service } = await setUp(t);
    const stranger = await service('stranger');
    await writeServeFile(cli.home, stranger, { instance: 'another instance' });
    t.expect(await shown(cli, [])).toEqual({ url: null });
    t.expect(stranger.state.requests).toEqual(['GET /healthz']);
    t.expect(stranger.state.tokens).toEqual([undefined]);
  });

  test.for([
    [
      'nobody listens',
      { schemaVersion: 1, instance: 'i', address: 'http://127.0.0.1:9', tokenFile: 't', pid: 1 },
    ],
    ['a damaged file', { schemaVersion: 1 }],
    ['no JSON', 'x'],
  ] as const)('there is none with a left-over serve.json: %s', async ([, content], t) => {
    const { cli } = await setUp(t);
    await mkdir(join(cli.home, '.caliban'));
    await writeFile(join(cli.home, '.caliban', 'serve.json'), JSON.stringify(content));
    t.expect(await shown(cli, [])).toEqual({ url: null });
  });

  test('a serve.json of a newer version is named', async (t) => {
    const { cli, service } = await setUp(t);
    await writeServeFile(cli.home, await service('new'), { instance: 'new', schemaVersion: 2 });
    const { status, stderr } = await cli.run(['endpoint', 'show']);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain('has version 2');
  });
});

describe('endpoint set', () => {
  test('saves a file that only the user can read', async (t) => {
    const { cli, service } = await setUp(t);
    const { url } = await service('one');
    const { status } = await cli.run(['endpoint', 'set', url, '--token', 'secret']);
    t.expect(status).toBe(0);
    const path = join(cli.home, '.config', 'caliban', 'endpoint.json');
    t.expect((await stat(path)).mode & 0o777).toBe(0o600);
    t.expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
      schemaVersion: 1,
      url,
      token: 'secret',
    });
  });

  test('keeps it in CALIBAN_HOME when that is set', async (t) => {
    const { cli, service } = await setUp(t);
    const env = { CALIBAN_HOME: join(cli.cwd, 'data'), CALIBAN_TOKEN: 'secret' };
    await cli.run(['endpoint', 'set', (await service('one')).url], { env });
    t.expect((await stat(join(cli.cwd, 'data', 'endpoint.json'))).isFile()).toBe(true);
  });

  test('saves nothing when the service refuses the token', async (t) => {
    const { cli, service } = await setUp(t);
    const { status } = await cli.run([
      'endpoint',
      'set',
      (await service('one')).url,
      '--token',
      'no',
    ]);
    t.expect(status).toBe(4);
    t.expect(await shown(cli, [])).toEqual({ url: null });
  });

  test.for(['nonsense', 'ftp://h', 'http://user@h', 'http://h?x=1'])(
    'refuses %s',
    async (url, t) => {
      const { cli } = await setUp(t);
      const { status, stderr } = await cli.run(['endpoint', 'set', url]);
      t.expect(status).toBe(2);
      t.expect(stderr).toContain('URL');
    },
  );
});

test('endpoint show never shows the token', async (t) => {
  const { cli, service } = await setUp(t);
  await cli.run(['endpoint', 'set', (await service('one')).url, '--token', 'secret']);
  const text = await cli.run(['endpoint', 'show']);
  const json = await cli.run(['endpoint', 'show', '--json']);
  t.expect(text.stdout).toContain('you are');
  t.expect(`${text.stdout}${text.stderr}${json.stdout}`).not.toContain('secret');
});

test('endpoint show says what is wrong with the one in use', async (t) => {
  const { cli } = await setUp(t);
  const { status, stderr } = await cli.run([
    'endpoint',
    'show',
    '--endpoint',
    'http://127.0.0.1:9',
  ]);
  t.expect(status).toBe(6);
  t.expect(stderr).toContain('cannot be reached');
});

test('of a service that cannot be reached each of the two commands to try has a line', async (t) => {
  const { cli } = await setUp(t);
  const { stderr } = await cli.run(['status', '--endpoint', 'http://127.0.0.1:9']);
  t.expect(stderr).toContain(
    '\nDoes it run? On its machine: caliban serve --status\nWho chose this address: caliban endpoint show\n',
  );
});

test('a damaged saved endpoint is named with its cure', async (t) => {
  const { cli } = await setUp(t);
  await mkdir(join(cli.home, '.config', 'caliban'), { recursive: true });
  await writeFile(join(cli.home, '.config', 'caliban', 'endpoint.json'), '{');
  const { status, stderr } = await cli.run(['status']);
  t.expect(status).toBe(2);
  t.expect(stderr).toContain(
    'Write it anew: caliban endpoint set URL\nOr remove it: caliban endpoint unset\n',
  );
});

type Cli = ReturnType<typeof createTestCli>;

async function setUp(t: TestContext) {
  return {
    cli: createTestCli(t.onTestFinished),
    service: (instance: string) => startFakeService(t.onTestFinished, { instance }),
  };
}

async function shown(
  cli: Cli,
  flags: string[],
  env: Record<string, string> = {},
): Promise<unknown> {
  const { stdout } = await cli.run(['endpoint', 'show', '--json', ...flags], { env });
  return JSON.parse(stdout);
}

async function writeServeFile(
  home: string,
  { url }: FakeService,
  given: { instance: string; schemaVersion?: number },
) {
  const dataDir = join(home, '.caliban');
  await mkdir(dataDir, { recursive: true });
  await writeFile(join(dataDir, 'token'), 'secret\n');
  const content = { schemaVersion: 1, address: url, tokenFile: 'token', pid: 1, ...given };
  await writeFile(join(dataDir, 'serve.json'), JSON.stringify(content));
}
