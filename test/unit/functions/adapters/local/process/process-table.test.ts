import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'vitest';
import { createProcessTable } from '../../../../../../functions/adapters/local/process/process-table.ts';

// `ps` is everywhere; on Linux only its boot id is missing.
const tables =
  process.platform === 'linux' ? (['linux', 'darwin'] as const) : (['darwin'] as const);

describe.for(tables)('the process table of %s', (platform) => {
  const table = createProcessTable(platform);

  test('a living process has one start, a dead one none', async ({ expect }) => {
    const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    const start = await table.startOf(pid);
    expect(start).toMatch(/\d/);
    expect(await table.startOf(pid)).toBe(start);
    expect(await table.groupMembers(pid)).toEqual([pid]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await table.startOf(pid)).toBeNull();
    expect(await table.groupMembers(pid)).toEqual([]);
  });
});

test('the boot of this machine has a name that stays', async ({ expect }) => {
  const table = createProcessTable(process.platform);
  const boot = await table.bootId();
  expect(boot).toMatch(/\d/);
  expect(await table.bootId()).toBe(boot);
});
