import { describe, test } from 'vitest';
import { terminal, wholeLog } from '../contract/platform.ts';
import { dockerDirectory, openIn, scriptJob, waiter } from '../fixtures/docker-platform.ts';
import { hasPart } from '../fixtures/require.ts';

const MANY = 40;
/** Tries to have more processes than it may, and no more than these. */
const BOMB = `
import subprocess, sys
started = []
try:
    for _ in range(${3 * MANY}):
        started.append(subprocess.Popen(['sleep', '1000']))
except OSError as error:
    print('refused:', error.strerror)
print(0 < len(started) < ${MANY})
for each in started:
    each.kill()
    each.wait()
`;

describe.runIf(hasPart('docker'))('a container', () => {
  test('has no more processes than it may, and gets no more rights', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished, { maxProcesses: MANY });
    const job = await scriptJob('bomb', '');
    const { ref } = await platform.submit({ ...job, command: ['python3', '-c', BOMB] });
    await terminal({ ...waiter, platform }, 'bomb');
    expect(await wholeLog({ platform }, ref, 1000)).toBe(
      'refused: Resource temporarily unavailable\nTrue\n',
    );
    const look = await platform.submit(
      await scriptJob('look', 'grep NoNewPrivs /proc/self/status'),
    );
    await terminal({ ...waiter, platform }, 'look');
    expect(await wholeLog({ platform }, look.ref, 1000)).toBe('NoNewPrivs:\t1\n');
  });

  test('has room for the processes of data loaders', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    // The second place is that of cgroup v2.
    const script = 'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true';
    const { ref } = await platform.submit(await scriptJob('room', script));
    await terminal({ ...waiter, platform }, 'room');
    expect(await wholeLog({ platform }, ref, 1000)).toBe('16384\n');
  });
});
