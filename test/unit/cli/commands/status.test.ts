import { describe, type TestContext, test } from 'vitest';
import { aGroup, aJob, anExperiment, someCounts } from '../../../doubles/api-views.ts';
import { CapturedStream, type CliOptions, createTestCli } from '../../../doubles/cli.ts';
import { type FakeState, startFakeService } from '../../../doubles/fake-service.ts';

describe('status', () => {
  test('shows recent jobs as a tree below who asks', async (t) => {
    const { run } = await setUp(t);
    const { status, stdout, stderr } = await run([]);
    t.expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    t.expect(stdout.split('\n').slice(0, 4)).toEqual([
      'most recent 8 jobs for user totoro:',
      '',
      'xgroup sweep:',
      'docker config 1: job_mode: CPU, build url: /home/totoro/proj, extra dirs: None',
    ]);
    t.expect(stdout).toContain('  experiment id e2: cpu.py  --lr 2');
  });

  test('without jobs says so', async (t) => {
    const { run } = await setUp(t, { jobs: [] });
    t.expect((await run([])).stdout).toBe('No recent jobs found for user totoro.\n');
  });

  test.for([
    ['2', 2, 'most recent 2 jobs'],
    ['0', 5, 'all jobs'],
    ['-1', 5, 'all jobs'],
  ] as const)('--max_jobs %s shows %i', async ([given, shown, title], t) => {
    const { run } = await setUp(t, { pageSize: 2 });
    const { stdout } = await run(['--max_jobs', given]);
    t.expect(stdout.match(/^ {4}job /gm)).toHaveLength(shown);
    t.expect(stdout).toContain(title);
  });

  test('--xgroup shows every experiment over all pages, with counts', async (t) => {
    const { run } = await setUp(t, { pageSize: 2 });
    const { stdout } = await run(['--xgroup', 'sweep']);
    t.expect(stdout.split('\n').slice(0, 2)).toEqual(['xgroup sweep:', '5 jobs: 5 running']);
    t.expect(stdout.match(/^ {2}experiment id /gm)).toHaveLength(5);
    t.expect(stdout.match(/^docker config /gm)).toHaveLength(1);
  });

  test('--xgroup names experiments without a job', async (t) => {
    const { run } = await setUp(t, { jobs: [] });
    t.expect((await run(['--xgroup', 'sweep'])).stdout).toContain('    no jobs found\n');
  });

  test('a colleague’s group is asked for by owner and name', async (t) => {
    const { run, state } = await setUp(t);
    t.expect((await run(['--xgroup', 'totoro/sweep'])).status).toBe(0);
    t.expect(state.requests).toContain('GET /v1/groups/totoro%2Fsweep');
  });

  test('counts are asked for after the jobs that stand below them', async (t) => {
    const { run, state } = await setUp(t);
    for (const flags of [[], ['--json']]) {
      state.requests.length = 0;
      await run(['--xgroup', 'sweep', ...flags]);
      t.expect(state.requests).toEqual([
        t.expect.stringMatching(/^GET \/v1\/groups\/sweep\/experiments/),
        'GET /v1/groups/sweep',
      ]);
    }
  });

  test('an unknown group is status 3 with the nearest name, also in JSON', async (t) => {
    const { run } = await setUp(t);
    const { status, stderr, stdout } = await run(['--xgroup', 'sweeep', '--json']);
    t.expect(status).toBe(3);
    t.expect(stderr).toContain('xgroup sweeep not found');
    t.expect(stderr).toContain('Did you mean sweep?');
    t.expect(JSON.parse(stdout).error).toMatchObject({ code: 'GROUP_NOT_FOUND' });
  });

  test('--json gives the records', async (t) => {
    const { run, state } = await setUp(t, { pageSize: 2 });
    const group = JSON.parse((await run(['--json', '--xgroup', 'sweep'])).stdout);
    t.expect(group.group).toEqual(state.groups[0]);
    t.expect(group.experiments).toHaveLength(5);
    t.expect(group.experiments[0].jobs).toEqual([state.jobs[0]]);
    const recent = JSON.parse((await run(['--json', '--max_jobs', '3'])).stdout);
    t.expect(recent.jobs.map(({ id }: { id: string }) => id)).toEqual(['s1-4', 's1-3', 's1-2']);
  });

  test('ends quietly when its reader goes away', async (t) => {
    const { run, state } = await setUp(t, { pageSize: 1 });
    const stdout = new CapturedStream(false, 2);
    const { status, stderr } = await run(['--xgroup', 'sweep'], { stdout });
    t.expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    t.expect(state.requests.length).toBeLessThan(5);
  });
});

describe('status --watch', () => {
  test('needs a terminal', async (t) => {
    const { run } = await setUp(t);
    const { status, stderr } = await run(['--watch']);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain('--watch');
  });

  test('redraws what changed until Ctrl-C, which is no failure', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stdout } = await run(['--watch', '--xgroup', 'sweep'], {
      tty: true,
      onSleep(count, interrupt) {
        if (count === 2) interrupt();
        state.groups = [aGroup({ counts: someCounts({ SUCCEEDED: 5 }) })];
      },
    });
    t.expect(status).toBe(0);
    const [first, second] = stdout.split('\u001B[');
    t.expect(first).toContain('5 jobs: 5 running');
    t.expect(stdout.slice(first?.length)).toContain('5 jobs: 5 succeeded');
    t.expect(second).toMatch(/^\d+A/);
  });

  test('shows no more than fits, and asks for no more', async (t) => {
    const { run, state } = await setUp(t, { pageSize: 10 });
    state.experiments = Array.from({ length: 500 }, (_, i) => anExperiment({ id: `x${i}` }));
    const { stdout } = await run(['--watch', '--xgroup', 'sweep'], {
      tty: true,
      onSleep: (_, interrupt) => interrupt(),
    });
    t.expect(stdout.trimEnd().split('\n').length).toBeLessThan(30);
    t.expect(stdout).toContain('… more');
    t.expect(state.requests.filter((line) => line.includes('/experiments')).length).toBeLessThan(5);
  });
});

describe('without a service', () => {
  test('nothing to read is status 6 and says how to start', async (t) => {
    const { status, stderr } = await createTestCli(t.onTestFinished).run(['status']);
    t.expect(status).toBe(6);
    t.expect(stderr).toContain('caliban serve');
  });

  test('records on this machine are read, and their age is told', async (t) => {
    const { url, state } = await setUp(t);
    state.token = null;
    let closed = 0;
    const offline = {
      fetch: (request: Request) => fetch(request.url.replace('http://offline.invalid', url)),
      statesAsOf: new Date(2026, 10, 22, 9, 5, 0),
      close: async () => void closed++,
    };
    const host = async () => ({
      runServe: () => Promise.reject(new Error('not here')),
      offline: async () => offline,
    });
    const cli = createTestCli(t.onTestFinished);
    const { status, stdout, stderr } = await cli.run(['status'], { parts: { host } });
    t.expect({ status, closed }).toEqual({ status: 0, closed: 1 });
    t.expect(stderr).toBe('no service running: states as of 2026-11-22 09:05:00\n');
    t.expect(stdout).toContain('xgroup sweep:');
  });
});

async function setUp(t: TestContext, given: Partial<FakeState> = {}) {
  const indexes = [0, 1, 2, 3, 4];
  const { url, state } = await startFakeService(t.onTestFinished, {
    groups: [aGroup({ counts: someCounts({ RUNNING: 5 }) })],
    experiments: indexes.map((i) =>
      anExperiment({
        id: `e${i}`,
        flags: [['lr', String(i)]],
        createdAt: `2026-11-22T09:05:0${i}.000Z`,
      }),
    ),
    jobs: indexes.map((i) => aJob({ id: `s1-${i}`, experimentId: `e${i}`, index: i })),
    ...given,
  });
  const cli = createTestCli(t.onTestFinished);
  const run = (flags: string[], options: CliOptions = {}) =>
    cli.run(['status', ...flags], {
      ...options,
      env: { CALIBAN_ENDPOINT: url, CALIBAN_TOKEN: 'secret' },
    });
  return { run, state, url };
}
