import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'vitest';
import { aGroup } from '../doubles/api-views.ts';
import { startFakeService } from '../doubles/fake-service.ts';
import { hasPart } from '../fixtures/require.ts';
import { MAIN } from './built-cli.ts';

// Types Ctrl-C once the question stands on the terminal, shows all that came, and passes the status on. A program that
// goes on is ended, so that it fails the test instead of hanging it.
const TERMINAL = `
import os, pty, select, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown, typed = b'', False
while True:
    if not select.select([terminal], [], [], 60)[0]:
        os.kill(pid, signal.SIGKILL)
        break
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if more == b'':
        break
    shown += more
    if not typed and b'[yN]: ' in shown:
        os.write(terminal, b'\\x03')
        typed = True
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
`;

describe.runIf(hasPart('python'))('on a real terminal', () => {
  test('one Ctrl-C at the question of stop ends it, and nothing is stopped', async (t) => {
    const { url, state } = await startFakeService(t.onTestFinished, {
      groups: [aGroup()],
      stop: { dryRun: true, waiting: 1, active: 0, notCreated: 0, submissions: 1 },
    });
    const stop = [process.execPath, MAIN, 'stop', '--xgroup', 'sweep'];
    const terminal = spawn('python3', ['-c', TERMINAL, ...stop], {
      env: { ...process.env, CI: '', CALIBAN_ENDPOINT: url, CALIBAN_TOKEN: 'secret' },
    });
    let shown = '';
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
    });
    const [status] = await once(terminal, 'close');
    t.expect(shown).toMatch(/stop this job\? \[yN\]: \^C\r\nNothing was stopped\.\r\n$/);
    t.expect(status).toBe(130);
    t.expect(state.stopped).toEqual([true]);
  });
});
