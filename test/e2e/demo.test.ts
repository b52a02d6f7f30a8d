import { spawnSync } from 'node:child_process';
import { describe, test } from 'vitest';
import { hasPart } from '../fixtures/require.ts';
import { ROOT } from './built-cli.ts';

describe.runIf(hasPart('python'))('npm run demo', () => {
  test('plays the whole sweep and says which settings did best', ({ expect }) => {
    const demo = spawnSync(process.execPath, ['scripts/demo.ts'], { cwd: ROOT, encoding: 'utf8' });
    expect(demo.status, demo.stderr).toBe(0);
    expect(demo.stdout).toMatch(/16 jobs: 16 succeeded/);
    expect(demo.stdout).toMatch(/Best settings.*\n {2}0\.9\d+ {2}--learning_rate/);
  });
});
