import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, type TestContext, test, vi } from 'vitest';
import { isRunning } from '../../../../cli/lib/serve-file.ts';
import type { ServeOptions } from '../../../../functions/embedded.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { type CliOptions, createTestCli } from '../../../doubles/cli.ts';
import { createLifeline } from '../../../doubles/lifeline.ts';

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
    t.expect(stderr).toBe(
      `Serving at http://127.0.0.1:1. Ctrl-C ends it; jobs that run go on.\nIts data is in ${cli.home}/.caliban. Jobs run as processes, 2 at the same time, without limits.\n`,
    );
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

  test('hands over what environments are made from, and the limits of a job', async (t) => {
    const cli = createTestCli(t.onTestFinished);
    const seen: ServeOptions[] = [];
    await cli.run(
      [
        'serve',
        '--job_cpus=0.5',
        '--job_memory',
        '512m',
        '--base_image',
        'py:{}',
        '--ca_bundle=ca.pem',
      ],
      {
        parts: hostThat(async (options) => void seen.push(options)),
        env: {
          CALIBAN_PLATFORM: 'docker',
          CALIBAN_BASE_IMAGE: 'not/this',
          CALIBAN_INDEX_URL: 'https://u:p@packages.example/simple',
        },
      },
    );
    t.expect(seen).toMatchObject([
      {
        platform: 'docker',
        onlyDocker: ['--job_cpus', '--job_memory', '--base_image'],
        limits: { cpus: 0.5, memoryBytes: 512 * 1024 ** 2 },
        builds: {
          baseImage: 'py:{}',
          caBundle: join(cli.cwd, 'ca.pem'),
          indexUrl: 'https://u:p@packages.example/simple',
        },
      },
    ]);
  });

  test.for([
    ['--job_memory=1m', 'At least 6m, at most what the machine has'],
    ['--job_memory=9999t', '--job_memory 9999t is no size that a job can have.'],
    ['--job_memory=9999t', 'its unit: b, k, m or g'],
    ['--job_memory=8gb', '--job_memory 8gb is no size'],
    ['--job_cpus=0', '--job_cpus 0 is no number of processors'],
    ['--job_cpus=two', '--job_cpus two is no number of processors'],
    ['--index_url=file:///secret', '--index_url is no http or https address.'],
    ['--index_url=https://u:p@x.example/s?secret', '--index_url https://x.example/s has a query'],
    ['--platform=podman', 'podman'],
  ] as const)('refuses %s', async ([flag, text], t) => {
    const cli = createTestCli(t.onTestFinished);
    const { status, stderr } = await cli.run(['serve', flag]);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain(text);
    t.expect(stderr).not.toContain('secret');
  });

  test.for([
    [{}, [], 'info'],
    [{ CALIBAN_LOG_LEVEL: 'warn' }, [], 'warn'],
    [{ CALIBAN_LOG_LEVEL: '' }, [], 'info'],
    [{ CALIBAN_LOG_LEVEL: 'warn' }, ['--log-level', 'debug'], 'debug'],
  ] as const)('logs as much as %j and %j say', async ([env, flags, level], t) => {
    const cli = createTestCli(t.onTestFinished);
    const seen: unknown[] = [];
    const parts = hostThat(async ({ logLevel }) => void seen.push(logLevel));
    await cli.run(['serve', ...flags], { parts, env });
    t.expect(seen).toEqual([level]);
  });

  test.for([
    ['debg', 'Did you mean debug?'],
    ['loud', 'It can be: debug, info, warn, error.'],
  ] as const)('refuses CALIBAN_LOG_LEVEL=%s', async ([level, text], t) => {
    const cli = createTestCli(t.onTestFinished);
    for (const flags of [[], ['--detach']]) {
      const { status, stderr } = await cli.run(['serve', ...flags], {
        env: { CALIBAN_LOG_LEVEL: level },
      });
      t.expect(status).toBe(2);
      t.expect(stderr).toContain(`CALIBAN_LOG_LEVEL cannot be ${level}.`);
      t.expect(stderr).toContain(text);
    }
  });

  test.for([
    ['x', '--token has 1 character; at least 20 are needed.'],
    ['short', '--token has 5 characters; at least 20 are needed.'],
    [`${'x'.repeat(20)} `, '--token has characters that no token may have.'],
  ] as const)('refuses the token %j', async ([token, text], t) => {
    const cli = createTestCli(t.onTestFinished);
    const { status, stderr } = await cli.run(['serve', '--detach', '--token', token]);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain(text);
    t.expect(stderr).toContain('For example: openssl rand -hex 24');
  });

  test('takes the token from the environment and shows only a new one, to a terminal', async (t) => {
    const cli = createTestCli(t.onTestFinished);
    const seen: (string | null)[] = [];
    const parts = hostThat(async ({ token }) => void seen.push(token), 'a-new-token');
    const env = { CALIBAN_SERVE_TOKEN: 'a-token-of-24-characters' };
    const { stderr } = await cli.run(['serve'], { parts, env, tty: true });
    t.expect(seen).toEqual([env.CALIBAN_SERVE_TOKEN]);
    const command = 'export CALIBAN_ENDPOINT=http://127.0.0.1:1 CALIBAN_TOKEN=a-new-token';
    t.expect(stderr.split(command)).toHaveLength(2);
    const logged = await cli.run(['serve'], { parts });
    t.expect(logged.stderr).not.toContain('a-new-token');
    t.expect(logged.stderr).toContain('/token');
    const child = await cli.run(['serve', '--detached_child'], { parts, tty: true });
    t.expect(child.stderr).not.toContain('a-new-token');
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

    const limits = ['--job_cpus=2', '--job_memory=512m'];
    const flags = ['--slots', '3', ...limits, '--log_level', 'debug'];
    const started = await run(['serve', '--detach', ...flags]);
    const dataDir = join(home, '.caliban');
    const how = `Its data is in ${dataDir}. Jobs run in Docker, 3 at the same time, each with at most 2 processors and 512 MiB of memory.\n`;
    t.expect(started).toMatchObject({ status: 0, stdout: '' });
    t.expect(started.stderr).toMatch(/^Started a service .*caliban serve --stop\n/);
    t.expect(started.stderr).toContain(`\n${how}Its token is new: see ${dataDir}/token\n`);
    const again = await run(['serve', '--detach']);
    t.expect(again.stderr).toMatch(/^A service runs already at .*\n/);
    t.expect(again.stderr).toContain(`\n${how}`);

    const shown = await run(['serve', '--status']);
    const json = JSON.parse((await run(['serve', '--status', '--json'])).stdout);
    t.expect(shown.status).toBe(0);
    t.expect(shown.stdout.split('\n')).toEqual([
      `address   ${json.address}`,
      `process   ${json.pid}`,
      `data      ${dataDir}`,
      'platform  docker',
      'slots     3',
      'each job  at most 2 processors and 512 MiB of memory',
      'jobs      2 waiting, 1 running, 3 ended',
      '',
    ]);
    t.expect(json).toMatchObject({
      ...{ running: true, dataDir, platform: 'docker', slots: 3, jobs: { waiting: 2 } },
      limits: { cpus: 2, memoryBytes: 512 * 1024 ** 2 },
    });
    t.expect(json).not.toHaveProperty('token');
    const more = JSON.parse((await run(['serve', '--detach', '--json'])).stdout);
    t.expect(more).toMatchObject({ dataDir, platform: 'docker', slots: 3 });

    const stopped = await run(['serve', '--stop']);
    t.expect(stopped).toMatchObject({ status: 0 });
    t.expect((await run(['serve', '--status'])).status).toBe(3);
    t.expect((await run(['serve', '--stop'])).stderr).toContain('No service runs');
    const log = await readFile(join(home, '.caliban', 'serve.log'), 'utf8');
    t.expect(log).toContain('--slots=3');
    t.expect(log).toContain('--log_level=debug');
    t.expect(log).toContain('--idle_minutes=30');
    t.expect(log).not.toContain('secret');
    t.expect((await run(['serve', '--detach'])).stderr).not.toContain('secret');
  });

  test('a given token is handed over unseen', async (t) => {
    const { run, home } = await setUp(t);
    const token = 'a-token-of-24-characters';
    const started = await run(['serve', '--detach', '--token', token]);
    t.expect(started).toMatchObject({ status: 0 });
    t.expect(started.stderr).not.toContain(token);
    const dir = join(home, '.caliban');
    t.expect(await readFile(join(dir, 'serve.log'), 'utf8')).not.toContain(token);
    t.expect(await readFile(join(dir, 'token'), 'utf8')).toBe(token);
  });

  test('with other flags than the one that runs is refused', async (t) => {
    const { run } = await setUp(t);
    await run(['serve', '--detach']);
    const { address, pid } = JSON.parse((await run(['serve', '--status', '--json'])).stdout);
    const refusal = `A service runs already at ${address} (process ${pid}); stop it first: caliban serve --stop`;
    const given = [['--slots=2'], ['--port=1'], ['--host=::1'], ['--platform=process']];
    given.push(['--log_level=info']);
    for (const flags of [...given, [`--token=${'t'.repeat(20)}`]]) {
      const { status, stderr } = await run(['serve', '--detach', ...flags]);
      t.expect({ flags, status }).toEqual({ flags, status: 6 });
      t.expect(stderr).toContain(refusal);
    }
    const same = ['--host=127.0.0.1', `--port=${new URL(address).port}`, '--idle_minutes=1'];
    t.expect(await run(['serve', '--detach', ...same])).toMatchObject({ status: 0 });
    const inFront = await run(['serve'], { parts: hostThat(locked) });
    t.expect(inFront.status).toBe(6);
    t.expect(inFront.stderr).toContain(refusal);
  });

  test('one that lives but does not answer is told, not doubled, and can be ended', async (t) => {
    const { run } = await setUp(t);
    await run(['serve', '--detach']);
    const { pid } = JSON.parse((await run(['serve', '--status', '--json'])).stdout);
    process.kill(pid, 'SIGSTOP');
    const argv = [
      ['serve', '--status'],
      ['serve', '--detach'],
      ['stop', '--xgroup', 'g'],
    ];
    const told = await Promise.all(argv.map((words) => run(words)));
    t.expect(told.map(({ status }) => status)).toEqual([6, 6, 6]);
    for (const { stderr } of told) {
      t.expect(stderr).toContain(`process ${pid} runs but does not answer`);
    }
    const kill = process.kill.bind(process);
    const spy = vi.spyOn(process, 'kill').mockImplementation((target, signal) => {
      kill(target, signal);
      return signal === 'SIGTERM' ? kill(target, 'SIGCONT') : true;
    });
    t.onTestFinished(() => spy.mockRestore());
    t.expect((await run(['serve', '--stop'])).status).toBe(0);
    t.expect((await run(['serve', '--status'])).status).toBe(3);
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

  test('one that meets a service about to end is started again when that has gone', async (t) => {
    const { run, home } = await setUp(t);
    const dataDir = join(home, '.caliban');
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'lock'), '');
    const starting = run(['serve', '--detach']);
    await vi.waitUntil(() => existsSync(join(dataDir, 'lost')), { timeout: 20_000 });
    await rm(join(dataDir, 'lock'));
    t.expect(await starting).toMatchObject({ status: 0 });
  });

  test('is told as ended when its process has gone, so that another can start', async (t) => {
    const { run } = await setUp(t);
    await run(['serve', '--detach'], { env: { FAKE_SERVE: 'lingers' } });
    const { pid } = JSON.parse((await run(['serve', '--status', '--json'])).stdout);
    t.expect((await run(['serve', '--stop'])).status).toBe(0);
    t.expect(isRunning(pid)).toBe(false);
  });

  test('one that refuses its flags is told in its words, with its status', async (t) => {
    const { run } = await setUp(t);
    const refused = await run(['serve', '--detach'], { env: { FAKE_SERVE: 'broken' } });
    t.expect(refused).toEqual({ status: 2, stdout: '', stderr: 'error: No luck today.\n' });
  });

  test.for([
    [['--detach', '--stop'], '--stop starts no service: --detach would have no effect.'],
    [['--status', '--slots', '3'], '--status starts no service: --slots would have no effect.'],
    [['--status', '--stop'], '--status starts no service: --stop would have no effect.'],
  ] as const)('%j is refused: a flag would have no effect', async ([flags, words], t) => {
    const { run } = await setUp(t);
    const { status, stderr } = await run(['serve', ...flags]);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain(words);
  });

  test('one that cannot start leaves no directory that was made for it', async (t) => {
    const { run, home } = await setUp(t);
    const env = { FAKE_SERVE: 'broken' };
    const dataDir = join(home, 'labs', 'new', 'data');
    await run(['serve', '--detach', '--data_dir', dataDir], { env });
    t.expect(existsSync(join(home, 'labs'))).toBe(false);
    await mkdir(join(dataDir, 'mine'), { recursive: true });
    await run(['serve', '--detach', '--data_dir', dataDir], { env });
    t.expect(existsSync(join(dataDir, 'serve.log'))).toBe(true);
  });

  test('what an earlier start wrote is not told as the failure of this one', async (t) => {
    const { run, home } = await setUp(t);
    await mkdir(join(home, '.caliban'));
    await run(['serve', '--detach'], { env: { FAKE_SERVE: 'broken' } });
    const { status, stderr } = await run(['serve', '--detach'], { env: { FAKE_SERVE: 'mute' } });
    t.expect(status).toBe(6);
    t.expect(stderr).toBe(
      'error: The service that was started ended with status 3.\nIt wrote nothing.\n',
    );
  });

  test('one that starts late, or stands still, ends with its test', async (t) => {
    const { run, lifeline } = await setUp(t);
    await run(['serve', '--detach']);
    const [pid = 0] = lifeline.pids;
    process.kill(pid, 'SIGSTOP');
    await lifeline.endAll();
    await vi.waitUntil(() => !isRunning(pid), { timeout: 20_000 });
    const late = spawn(process.execPath, [SERVE_MAIN, 'serve'], {
      env: { ...process.env, FAKE_SERVE_LIFELINE: lifeline.path },
    });
    const [status] = await once(late, 'exit');
    t.expect({ status, pids: lifeline.pids }).toEqual({ status: 0, pids: [pid] });
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

function hostThat(runs: (options: ServeOptions) => Promise<void>, newToken: string | null = null) {
  return {
    host: async () => ({
      async runServe(options: ServeOptions) {
        await runs(options);
        const closed = Promise.resolve();
        const address = 'http://127.0.0.1:1';
        const { slots: given, limits } = options;
        const here = { platform: 'process', slots: given ?? 1, limits, note: null } as const;
        return { address, instance: 'i', ...here, tokenFile: 't', newToken, closed };
      },
      offline: async () => null,
    }),
  };
}

async function setUp(t: TestContext) {
  const cli = createTestCli(t.onTestFinished);
  const lifeline = await createLifeline(join(cli.home, 'lifeline'));
  // Hooks run last to first: before the folder is removed. A service that is still starting cannot be asked to end.
  t.onTestFinished(async () => {
    await lifeline.endAll();
    await vi.waitUntil(() => !lifeline.pids.some(isRunning), { timeout: 20_000 });
  });
  const run = (argv: string[], { env, ...options }: CliOptions = {}) =>
    cli.run(argv, {
      ...options,
      env: { FAKE_SERVE_LIFELINE: lifeline.path, ...env },
      ...{ realTime: true, self: [process.execPath, SERVE_MAIN] },
    });
  return { run, home: cli.home, lifeline };
}
