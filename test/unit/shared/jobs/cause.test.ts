import fc from 'fast-check';
import { describe, test } from 'vitest';
import { CAUSE_CODES, exitCause } from '../../../../shared/jobs/cause.ts';

describe('causes', () => {
  test('no code stands twice', ({ expect }) => {
    expect(new Set(CAUSE_CODES).size).toBe(CAUSE_CODES.length);
  });

  test('exit status 0 is success, every other one is not, and each is named', ({ expect }) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), (status) => {
        const { code, message } = exitCause(status);
        expect(code).toBe(status === 0 ? 'succeeded' : 'exit-code');
        expect(message).toContain(`Exit code ${status}`);
      }),
    );
  });

  test('a status above 128 is kept as the number and shown with the signal it may stand for', ({
    expect,
  }) => {
    expect(exitCause(137).message).toBe('Exit code 137 (possibly ended by signal SIGKILL).');
    expect(exitCause(143).message).toBe('Exit code 143 (possibly ended by signal SIGTERM).');
  });

  test('no signal is named for 128 and below, nor for a number that systems disagree on', ({
    expect,
  }) => {
    for (const status of [1, 9, 15, 128, 138, 255])
      expect(exitCause(status).message).toBe(`Exit code ${status}.`);
  });
});
