import { describe, type TestContext, test } from 'vitest';
import { aJob } from '../../../doubles/api-views.ts';
import { createTestCli } from '../../../doubles/cli.ts';
import { type FakeState, startFakeService } from '../../../doubles/fake-service.ts';

const LOG = 'first line\nzweite Zeile: äöü €\n\u001B[31mred\u001B[0m\n';

describe('logs', () => {
  test('prints the text as it is, chunk after chunk', async (t) => {
    const { run, state } = await setUp(t, { logChunk: 7 });
    const { status, stdout } = await run([]);
    t.expect({ status, stdout }).toEqual({ status: 0, stdout: LOG });
    t.expect(state.requests.length).toBeGreaterThan(5);
  });

  test('--follow prints what comes until the job ends', async (t) => {
    const { run, state } = await setUp(t, {});
    state.logs.set('s1-1 later', 'and the end\n');
    const { status, stdout } = await run(['-f']);
    t.expect({ status, stdout }).toEqual({ status: 0, stdout: `${LOG}and the end\n` });
  });

  test('--follow repeats nothing where an answer holds less than what was followed', async (t) => {
    const { run, state } = await setUp(t, { logChunk: 7 });
    const later = 'a second part, longer than a piece\n'.repeat(3);
    state.logs.set('s1-1 later', later);
    const { stdout } = await run(['-f']);
    t.expect(stdout).toBe(`${LOG}${later}`);
  });

  test('the last lines of a job that has ended may come late: that is said, or waited for', async (t) => {
    const late = { logEnds: false, jobs: [aJob({ stage: 'SUCCEEDED', state: 'SUCCEEDED' })] };
    const plain = await setUp(t, late);
    t.expect((await plain.run([])).stderr).toContain('caliban logs s1-1 --follow');
    const followed = await setUp(t, late);
    followed.state.logs.set('s1-1 later', 'the last line\n');
    const { stdout, stderr } = await followed.run(['--follow']);
    t.expect(stdout).toBe(`${LOG}the last line\n`);
    t.expect(stderr).toContain('waiting for its last lines');
  });

  test('--follow of a job that has ended prints it all and returns', async (t) => {
    const { run, state } = await setUp(t, {});
    state.jobs = [aJob({ stage: 'FAILED', state: 'FAILED' })];
    const { stdout } = await run(['--follow']);
    t.expect(stdout).toBe(LOG);
    t.expect(state.requests.some((line) => line.includes('follow=true'))).toBe(false);
  });

  test.for([
    ['has not started (SUBMITTED)', 'QUEUED', 'SUBMITTED', null],
    ['never started (STOPPED)', 'STOPPED', 'STOPPED', null],
    ['never started (FAILED)', 'FAILED', 'FAILED', null],
    ['has printed nothing yet (RUNNING)', 'RUNNING', 'RUNNING', 'x.1'],
    ['printed nothing (SUCCEEDED)', 'SUCCEEDED', 'SUCCEEDED', 'x.1'],
  ] as const)('without output stderr says that the job %s, and why', async (given, t) => {
    const [words, stage, state, ref] = given;
    const cause = { code: 'platform', message: 'So it is.' } as const;
    const { run } = await setUp(t, {
      logs: new Map([['s1-1', '']]),
      jobs: [aJob({ stage, state, ref, cause })],
    });
    t.expect(await run([])).toEqual({
      status: 0,
      stdout: '',
      stderr: `Job s1-1 ${words}: So it is.\n`,
    });
  });

  test('--follow says once why a job has not started', async (t) => {
    const { run, state } = await setUp(t, {
      logs: new Map([['s1-1', '']]),
      jobs: [aJob({ stage: 'QUEUED', state: 'SUBMITTED' })],
    });
    state.logs.set('s1-1 later', 'and the end\n');
    const { stdout, stderr } = await run(['-f']);
    t.expect({ stdout, stderr }).toEqual({
      stdout: 'and the end\n',
      stderr: 'Job s1-1 has not started (SUBMITTED): It runs.\n',
    });
  });

  test('neither loses nor repeats a byte when connections break', async (t) => {
    const { run } = await setUp(t, {
      logChunk: 20,
      fault: (request, count) =>
        request.includes('/logs') && count <= 2 ? { dropAfter: 5 + count } : undefined,
    });
    const { status, stdout } = await run(['--follow']);
    t.expect({ status, stdout }).toEqual({ status: 0, stdout: LOG });
  });

  test('gives up on a connection that always breaks', async (t) => {
    const { run } = await setUp(t, {
      fault: (request) => (request.includes('/logs') ? { dropAfter: 1 } : undefined),
    });
    const { status, stderr } = await run([]);
    t.expect(status).toBe(6);
    t.expect(stderr).toContain('again and again');
  });

  test('an unknown job is status 3', async (t) => {
    const { cli, env } = await setUp(t, {});
    const { status, stdout, stderr } = await cli.run(['logs', 'nope'], { env });
    t.expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    t.expect(stderr).toContain('No job nope.');
  });
});

async function setUp(t: TestContext, given: Partial<FakeState>) {
  const cli = createTestCli(t.onTestFinished);
  const { url, state } = await startFakeService(t.onTestFinished, {
    jobs: [aJob()],
    logs: new Map([['s1-1', LOG]]),
    ...given,
  });
  const env = { CALIBAN_ENDPOINT: url, CALIBAN_TOKEN: 'secret' };
  return {
    cli,
    env,
    state,
    run: (flags: string[]) => cli.run(['logs', 's1-1', ...flags], { env }),
  };
}
