import { describe, type TestContext, test } from 'vitest';
import type { RedriveView } from '../../../../shared/api/redrive.ts';
import { createTestCli } from '../../../doubles/cli.ts';
import { startFakeService } from '../../../doubles/fake-service.ts';

const NOTHING: RedriveView = { dryRun: false, parked: 0, dead: 0, unreadable: 0, more: false };

describe('admin redrive', () => {
  test('asks until there is no more, and tells the sums', async (t) => {
    const { status, stdout, stderr, asked } = await redrive(t, [
      { ...NOTHING, parked: 200, dead: 1_000, unreadable: 1, more: true },
      { ...NOTHING, parked: 1, unreadable: 2 },
    ]);
    t.expect(stdout).toBe('trying 201 parked messages and 1000 dead letters again\n');
    t.expect(stderr).toContain('2 dead letters cannot be read by this version');
    t.expect({ status, asked }).toEqual({
      status: 0,
      asked: [{ dryRun: false }, { dryRun: false }],
    });
  });

  test('ends when nothing is tried again any more, however much there is', async (t) => {
    const { stdout, stderr, asked } = await redrive(t, [
      { ...NOTHING, dead: 1, more: true },
      { ...NOTHING, unreadable: 1_000, more: true },
    ]);
    t.expect(stdout).toBe('trying 1 dead letter again\n');
    t.expect(stderr).toContain('There may be more: ask again.');
    t.expect(asked).toHaveLength(2);
  });

  test('--dry_run asks once and changes nothing', async (t) => {
    const { stdout, stderr, asked } = await redrive(
      t,
      [{ ...NOTHING, dryRun: true, parked: 1, more: true }],
      ['--dry_run', '--kind', 'stop'],
    );
    t.expect(stdout).toBe('1 parked message to try again\n');
    t.expect(stderr).toContain('There may be more');
    t.expect(asked).toEqual([{ dryRun: true, kind: 'stop' }]);
  });

  test('with nothing to do says so', async (t) => {
    const { status, stdout } = await redrive(t, [NOTHING]);
    t.expect({ status, stdout }).toEqual({ status: 0, stdout: 'nothing to try again\n' });
  });

  test('--json is the sums', async (t) => {
    const { stdout } = await redrive(
      t,
      [
        { ...NOTHING, dead: 3, more: true },
        { ...NOTHING, dead: 2 },
      ],
      ['--json'],
    );
    t.expect(JSON.parse(stdout)).toEqual({ ...NOTHING, dead: 5 });
  });

  test('of a service whose admin you are not ends with status 4', async (t) => {
    const { status, stderr } = await redrive(t, []);
    t.expect(status).toBe(4);
    t.expect(stderr).toContain('eve is no admin');
  });

  test('refuses a kind that is none', async (t) => {
    const { status, stderr, asked } = await redrive(t, [NOTHING], ['--kind', 'stops']);
    t.expect(status).toBe(2);
    t.expect(stderr).toContain('stop');
    t.expect(asked).toEqual([]);
  });
});

async function redrive(t: TestContext, redrives: RedriveView[], flags: readonly string[] = []) {
  const { url, state } = await startFakeService(t.onTestFinished, { redrives });
  const cli = createTestCli(t.onTestFinished);
  const env = { CALIBAN_ENDPOINT: url, CALIBAN_TOKEN: 'secret' };
  const result = await cli.run(['admin', 'redrive', ...flags], { env });
  return { ...result, asked: state.redriven };
}
