import { describe, type TestContext, test } from 'vitest';
import { aGroup } from '../../../doubles/api-views.ts';
import { type CliOptions, createTestCli } from '../../../doubles/cli.ts';
import { startFakeService } from '../../../doubles/fake-service.ts';

describe('stop', () => {
  test('without a terminal shows the plan and demands --yes', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stderr } = await run([]);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain('3 jobs to stop (1 waiting, 2 running or submitted)');
    t.expect(stderr).toContain('--yes');
    t.expect(state.stopped).toEqual([true]);
  });

  test('with --yes stops', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stdout } = await run(['--yes']);
    t.expect({ status, stdout }).toEqual({ status: 0, stdout: 'stopping 3 jobs of sweep\n' });
    t.expect(state.stopped).toEqual([true, false]);
  });

  test('on a terminal asks, and stops after y', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stderr } = await run([], { tty: true, stdin: 'yes\nY\n' });
    t.expect(status).toBe(0);
    t.expect(stderr.match(/stop these 3 jobs\? \[yN\]/g)).toHaveLength(2);
    t.expect(state.stopped).toEqual([true, false]);
  });

  test('on a terminal stops nothing by default', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stderr } = await run([], { tty: true, stdin: '\n' });
    t.expect(status).toBe(0);
    t.expect(stderr).toContain('Nothing was stopped.');
    t.expect(state.stopped).toEqual([true]);
  });

  test('on a terminal one interrupt of the question ends it, and nothing is stopped', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stderr } = await run([], { tty: true, onRead: (interrupt) => interrupt() });
    t.expect(status).toBe(130);
    t.expect(stderr).toMatch(/\[yN\]: \nNothing was stopped\.\n$/);
    t.expect(state.stopped).toEqual([true]);
  });

  test('asks nothing in CI, whatever the streams look like', async (t) => {
    const { run } = await setUp(t);
    const { status } = await run([], { tty: true, stdin: 'y\n', env: { CI: 'true' } });
    t.expect(status).toBe(2);
  });

  test('--dry_run stops nothing and does not ask', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stdout } = await run(['--dry-run'], { tty: true });
    t.expect(status).toBe(0);
    t.expect(stdout).toContain('3 jobs to stop');
    t.expect(state.stopped).toEqual([true]);
  });

  test('with nothing to stop says so', async (t) => {
    const { run, state } = await setUp(t);
    state.stop = { dryRun: true, waiting: 0, active: 0, notCreated: 0, submissions: 0 };
    const { status, stdout } = await run([]);
    t.expect({ status, stdout }).toEqual({ status: 0, stdout: 'xgroup sweep: no job to stop\n' });
  });

  test('an unknown group is status 3 with the nearest name', async (t) => {
    const { run, state } = await setUp(t);
    const { status, stderr } = await run(['--xgroup', 'swep']);
    t.expect(status).toBe(3);
    t.expect(stderr).toContain('xgroup swep not found');
    t.expect(stderr).toContain('Did you mean sweep?');
    t.expect(state.stopped).toEqual([]);
  });
});

async function setUp(t: TestContext) {
  const cli = createTestCli(t.onTestFinished);
  const { url, state } = await startFakeService(t.onTestFinished, {
    groups: [aGroup()],
    stop: { dryRun: true, waiting: 1, active: 2, notCreated: 0, submissions: 1 },
  });
  const run = (flags: string[], options: CliOptions = {}) =>
    cli.run(['stop', '--xgroup', 'sweep', ...flags], {
      ...options,
      env: { CALIBAN_ENDPOINT: url, CALIBAN_TOKEN: 'secret', ...options.env },
    });
  return { run, state };
}
