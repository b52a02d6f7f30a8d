import { describe, test } from 'vitest';
import { endOf } from '../../../../../../functions/adapters/local/process/attempt-verdict.ts';

const exited = (exitCode: number) => ({ kind: 'exited', exitCode }) as const;
const FACTS = { startedAt: 10, at: 20, stopRequested: false };

describe('the end of an attempt', () => {
  test.for([
    [exited(0), 'SUCCEEDED', 'succeeded'],
    [exited(1), 'FAILED', 'exit-code'],
    [{ kind: 'supervisor-gone', rebooted: false }, 'FAILED', 'supervisor-killed'],
    [{ kind: 'supervisor-gone', rebooted: true }, 'FAILED', 'machine-restarted'],
    [{ kind: 'not-started', reason: 'no disk' }, 'FAILED', 'platform'],
  ] as const)('%j is %s, %s', ([how, state, code], { expect }) => {
    expect(endOf({ ...FACTS, how })).toMatchObject({ state, cause: { code }, finishedAt: 20 });
  });

  test.for([
    exited(0),
    exited(143),
    { kind: 'supervisor-gone', rebooted: true },
    { kind: 'not-started', reason: 'x' },
  ] as const)('%j after a stop was asked for is STOPPED', (how, { expect }) => {
    const end = endOf({ ...FACTS, stopRequested: true, how });
    expect(end).toMatchObject({ state: 'STOPPED', cause: { code: 'stop-requested' } });
    expect(end.exitCode).toBe(how.kind === 'exited' ? how.exitCode : null);
  });

  test('nothing ends before it started', ({ expect }) => {
    expect(endOf({ ...FACTS, at: 5, how: exited(0) }).finishedAt).toBe(10);
  });
});
