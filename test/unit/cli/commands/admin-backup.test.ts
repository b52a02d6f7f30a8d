import { join } from 'node:path';
import { test } from 'vitest';
import type { BackupRequest } from '../../../../functions/embedded/backup.ts';
import { createTestCli } from '../../../doubles/cli.ts';

test('admin backup copies the data directory to a path of the working folder', async ({
  expect,
  onTestFinished,
}) => {
  const { cwd, asked, run } = backupCli(onTestFinished);
  const { status, stdout, stderr } = await run(['monday', '--data_dir', '/data']);
  const target = join(cwd, 'monday');
  expect(asked).toMatchObject([{ dataDir: '/data', target }]);
  expect(stdout).toBe(`backup of /data in ${target}: 12 jobs, 10 attempts, 2.0 KiB\n`);
  expect(stderr).toContain('not in the backup, this user may not read it: /data/secret');
  expect(stderr).toContain(`Check it with: caliban admin check --data_dir ${target}`);
  expect(status).toBe(0);
});

test('admin backup prints what it made as JSON', async ({ expect, onTestFinished }) => {
  const { cwd, run } = backupCli(onTestFinished);
  const { stdout } = await run(['/abs/monday', '--json']);
  expect(JSON.parse(stdout)).toEqual({
    dataDir: join(cwd, '.caliban'),
    target: '/abs/monday',
    jobs: 12,
    attempts: 10,
    files: 3,
    bytes: 2048,
    unreadable: ['/data/secret'],
  });
});

test('admin backup needs to be told where to', async ({ expect, onTestFinished }) => {
  const { asked, run } = backupCli(onTestFinished);
  const { status, stderr } = await run([]);
  expect(status).toBe(2);
  expect(stderr).toContain('caliban admin backup needs DIR');
  expect(asked).toEqual([]);
});

function backupCli(onTestFinished: (clean: () => void) => void) {
  const cli = createTestCli(onTestFinished);
  const asked: BackupRequest[] = [];
  const backup = async () => async (request: BackupRequest) => {
    asked.push(request);
    const counts = { jobs: 12, attempts: 10, files: 3, bytes: 2048 };
    return { target: request.target, ...counts, unreadable: ['/data/secret'] };
  };
  return {
    cwd: cli.cwd,
    asked,
    run: (argv: readonly string[]) => cli.run(['admin', 'backup', ...argv], { parts: { backup } }),
  };
}
