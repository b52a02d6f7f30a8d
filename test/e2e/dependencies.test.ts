import { appendFile, cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { hasPart } from '../fixtures/require.ts';
import { ROOT, scratchMachine } from './built-cli.ts';

describe.runIf(hasPart('python'))('an environment from requirements.txt', () => {
  test('is made once; changed code uses it again', async ({ expect, onTestFinished }) => {
    const machine = scratchMachine(onTestFinished);
    const cwd = join(machine.home, 'project');
    await cp(join(ROOT, 'examples', 'sklearn'), cwd, { recursive: true });
    const sweep = ['cloud', '--experiment_config', 'experiment.json', '--xgroup', 'sklearn'];
    const first = await machine.caliban([...sweep, '--wait', 'trainer.train'], { cwd });
    expect(first, first.stderr).toMatchObject({ status: 0 });
    await appendFile(join(cwd, 'trainer', 'train.py'), '\n# changed\n');
    const second = await machine.caliban([...sweep, '--wait', 'trainer.train'], { cwd });
    expect(second, second.stderr).toMatchObject({ status: 0 });
    const status = await machine.caliban(['status', '--xgroup', 'sklearn', '--max_jobs', '0']);
    expect(new Set(status.stdout.match(/venv:[0-9a-f]+/g)).size).toBe(1);
    expect(status.stdout.match(/ SUCCEEDED /g)).toHaveLength(8);
    const log = await machine.caliban(['logs', (/job (\S+)/.exec(status.stdout) ?? [])[1] ?? '']);
    expect(log.stdout).toContain('accuracy');
  });
});
