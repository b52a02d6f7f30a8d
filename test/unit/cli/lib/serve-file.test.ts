import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test, vi } from 'vitest';
import { isRunning } from '../../../../cli/lib/serve-file.ts';
import { hasPart } from '../../../fixtures/require.ts';

describe('a process', () => {
  test('that lives runs, one that was reaped does not', async ({ expect }) => {
    expect(isRunning(process.pid)).toBe(true);
    const child = spawn('true', { stdio: 'ignore' });
    await once(child, 'exit');
    expect(isRunning(child.pid ?? 0)).toBe(false);
  });

  test.runIf(hasPart('proc'))(
    'that ended and was never reaped does not run',
    async ({ expect, onTestFinished }) => {
      // The second program takes the place of the shell and knows nothing of its child.
      const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 30']);
      onTestFinished(() => void parent.kill());
      const [printed] = await once(parent.stdout, 'data');
      const pid = Number(String(printed));
      await vi.waitUntil(() => !isRunning(pid), { timeout: 10_000 });
      expect(process.kill(pid, 0)).toBe(true);
    },
  );
});
