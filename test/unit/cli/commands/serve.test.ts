import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, type TestContext, test } from 'vitest';
import type { ServeOptions } from '../../../../functions/embedded.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { type CliOptions, createTestCli } from '../../../doubles/cli.ts';

const SERVE_MAIN = fileURLToPath(new URL('../../../doubles/serve-main.ts', import.meta.url));

describe('serve in the foreground', () => {
  test('hands its flags over and runs until it is told to end', async (t) => {
    const cli = createTestCli(t.onTestFinished);
    const seen: ServeOptions[] = [];
    const { status, stderr } = await cli.run(
      ['serve', '--port=8080', '--slots', '2', '--platform', 'process', '--idle-minutes', '5'],
      { parts: hostThat(async (options) => void seen.push(options)) },
    );
    t.expect(status).toBe(0);
    t.expect(stderr).toContain('at http://127.0.0.1:1');
    t.expect(seen).toMatchObject([
      {
        dataDir: join(cli.home, '.caliban'),
        host: '127.0.0.1',
        port: 8080,
        platform: 'process',
        slots: 2,
        idleMinutes: 5,
        token: null,
      },
    ]);
  });

  test.for([
    [{}, [], '.caliban'],
    [{ CALIBAN_HOME: 'from-env' }, [], 'from-env'],
    [{ CALIBAN_HOME: 'from-env' }, ['--data_dir', '~/from-flag'], 'from-flag'],
  ] as const)('keeps its data where %j and %j say', async ([env, flags, folder], t) => {
    const cli = createTestCli(t.onTestFinished);
    const seen: string[] = [];
    const parts = hostThat(async ({ dataDir }) => void seen.push(dataDir));
    await cli.run(['serve', ...flags], { parts, env });
    t.expect(seen).toEqual([join(cli.home, folder)]);
  });

  test('a second one is refused', async (t) => {
    const { status, stderr } = await createTestCli(t.onTestFinished).run(['serve'], {
      parts: hostThat(locked),
    });
    t.expect(status).toBe(6);
    t.expect(stderr).toContain('in use');
  });

  test('one that was started by a command and lost the race ends quietly', async (t) => {
    const { status, stderr } = await createTestCli(t.onTestFinished).run(
      ['serve', '--detached_child'],
      { parts: hostThat(locked) },
    );
    t.expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

// Each starts processes; a loaded machine needs its time.
describe('serve in the background', { timeout: 30_000 }, () => {
  test('is started, found, shown and ended', async (t) => {
    const { run, home } = await setUp(t);
    t.expect((await run(['serve', '--status'])).status).toBe(3);

    const started = await run(['serve', '--detach', '--slots', '3']);
    t.expect(started).toMatchObject({ status: 0, stdout: '' });
    t.expect(started.stderr).toMatch(/^Started a service .*caliban serve --stop\n$/);
    const again = await run(['serve', '--detach']);
    t.expect(again.stderr).toContain('runs already');

    const shown = await run(['serve', '--status']);
    t.expect(shown.status).toBe(0);
    t.expect(shown.stdout).toContain('jobs     2 waiting, 1 running, 3 ended');
    const json = JSON.parse((await run(['serve', '--status', '--json'])).stdout);
    t.expect(json).toMatchObject({ running: true, jobs: { waiting: 2 } });
    t.expect(json).not.toHaveProperty('token');

    const stopped = await run(['serve', '--stop']);
    t.expect(stopped).toMatchObject({ status: 0 });
    t.expect((await run(['serve', '--status'])).status).toBe(3);
    t.expect((await run(['serve', '--stop'])).stderr).toContain('No service runs');
    const log = await readFile(join(home, '.caliban', 'serve.log'), 'utf8');
    t.expect(log).toContain('--slots=3');
    t.expect(log).toContain('--idle_minutes=30');
  });

  test('two commands that start one at the same time use the same', async (t) => {
    const { run } = await setUp(t);
    const both = await Promise.all([
      run(['serve', '--detach', '--json']),
      run(['serve', '--detach', '--json']),
    ]);
    t.expect(both.map(({ status }) => status)).toEqual([0, 0]);
    const [first, second] = both.map(({ stdout }) => JSON.parse(stdout));
    t.expect(first).toEqual(second);
  });

  test('one that cannot start is told with the end of its log', async (t) => {
    const { run } = await setUp(t);
    const { status, stderr } = await run(['serve', '--detach'], { env: { FAKE_SERVE: 'broken' } });
    t.expect(status).toBe(6);
    t.expect(stderr).toContain('ended with status 2');
    t.expect(stderr).toContain('No luck today.');
  });

  test('is started by a command that needs it', async (t) => {
    const { run } = await setUp(t);
    const { stderr } = await run(['stop', '--xgroup', 'g']);
    t.expect(stderr).toContain('Started a service on this machine');
    t.expect((await run(['serve', '--status'])).status).toBe(0);
  });

  test('is not started with --no_start', async (t) => {
    const { run } = await setUp(t);
    const { status, stderr } = await run(['stop', '--xgroup', 'g', '--no_start']);
    t.expect(status).toBe(6);
    t.expect(stderr).toContain('Leave --no_start out');
    t.expect((await run(['serve', '--status'])).status).toBe(3);
  });
});

async function locked(): Promise<never> {
  throw new AppError('SERVICE_LOCKED', 'The directory is in use.');
}

function hostThat(runs: (options: ServeOptions) => Promise<void>) {
  return {
    host: async () => ({
      async runServe(options: ServeOptions) {
        await runs(options);
        const closed = Promise.resolve();
        const address = 'http://127.0.0.1:1';
        return { address, instance: 'i', tokenFile: 't', newToken: null, closed };
      },
      offline: async () => null,
    }),
  };
}

async function setUp(t: TestContext) {
  const cli = createTestCli(t.onTestFinished);
  const run = (argv: string[], options: CliOptions = {}) =>
    cli.run(argv, { ...options, realTime: true, self: [process.execPath, SERVE_MAIN] });
  // Hooks run last to first: before the folder is removed.
  t.onTestFinished(async () => {
    await run(['serve', '--stop']);
  });
  return { run, home: cli.home };
}
