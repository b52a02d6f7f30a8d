import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'vitest';
import { hasPart } from '../fixtures/require.ts';
import { ROOT, scratchMachine } from './built-cli.ts';

const parts = (['registry', 'emulators'] as const).every(hasPart);

describe.runIf(parts)('npm run dev:hosted', { timeout: 180_000 }, () => {
  test('prints the line that points the CLI at it, and leaves nothing when it ends', async ({
    expect,
    onTestFinished,
  }) => {
    const child = spawn(process.execPath, [join(ROOT, 'scripts', 'dev-hosted.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, METADATA_SERVER_DETECTION: 'none' },
    });
    const ended = once(child, 'exit');
    onTestFinished(async () => {
      child.kill('SIGINT');
      await ended;
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (line.includes('Ctrl-C')) break;
    }
    const text = lines.join('\n');
    const [, endpoint = '', token = ''] =
      /export CALIBAN_ENDPOINT=(\S+) CALIBAN_TOKEN=(\S+)/.exec(text) ?? [];
    const [, logs = ''] = /its logs are in (\S+)\.\n/.exec(text) ?? [];
    expect(existsSync(join(logs, 'worker.log'))).toBe(true);

    const settings = { CALIBAN_ENDPOINT: endpoint, CALIBAN_TOKEN: token };
    const machine = scratchMachine(onTestFinished, settings);
    const status = await machine.caliban(['status']);
    expect(status, status.stderr).toMatchObject({ status: 0 });
    expect(status.stdout).toContain('No recent jobs found for user ada.');
    const dead = await machine.caliban(['admin', 'redrive', '--dry_run', '--json']);
    expect(JSON.parse(dead.stdout)).toMatchObject({ parked: 0, dead: 0 });

    const started = processesOf(child.pid ?? 0);
    expect(started.length).toBeGreaterThanOrEqual(6);
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
    expect(existsSync(logs)).toBe(false);
    await expect.poll(() => started.filter(isThere)).toEqual([]);
  });
});

function processesOf(pid: number): number[] {
  const printed = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return printed.trim().split(/\s+/).map(Number);
}

function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
