import { describe, test } from 'vitest';
import { explainBuildLog } from '../../../../../../functions/adapters/local/venv/pip-failure.ts';

describe('explainBuildLog', () => {
  test("pip's last error is the message", ({ expect }) => {
    const log = [
      '$ /v/bin/python -m pip install -r r.txt',
      'ERROR: Could not find a version that satisfies the requirement nosuchpkg==9 (from versions: none)',
      'ERROR: No matching distribution found for nosuchpkg==9',
      '',
    ].join('\n');
    expect(explainBuildLog(log)).toEqual({
      message:
        'The dependencies could not be installed: No matching distribution found for nosuchpkg==9',
      hint: expect.stringContaining('name and version'),
      retryable: false,
    });
  });

  test('an index out of reach may be tried again, whatever pip concludes from it', ({ expect }) => {
    const log = [
      'WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by NewConnectionError',
      'ERROR: No matching distribution found for numpy',
    ].join('\n');
    const failure = explainBuildLog(log);
    expect(failure).toMatchObject({ retryable: true, hint: expect.stringContaining('network') });
  });

  test('a Debian without python3-venv is told what to install', ({ expect }) => {
    const log =
      'The virtual environment was not created successfully because ensurepip is not available.\n\n' +
      'On Debian/Ubuntu systems, you need to install the python3-venv package.\n\nFailing command: /x/python3\n';
    expect(explainBuildLog(log)).toEqual({
      message: expect.stringContaining('ensurepip is not available'),
      hint: expect.stringContaining('apt-get install python3-venv'),
      retryable: false,
    });
  });

  test('a venv module that is missing is told the same', ({ expect }) => {
    const { hint } = explainBuildLog('/usr/bin/python3: No module named venv\n');
    expect(hint).toContain('python3-venv');
  });

  test('an unknown failure shows its last lines', ({ expect }) => {
    const { message, retryable } = explainBuildLog('$ pip\na\nb\nc\nd\n');
    expect(message).toContain('b / c / d');
    expect(retryable).toBe(false);
    expect(explainBuildLog('').message).toContain('printed nothing');
  });
});
