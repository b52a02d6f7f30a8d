import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { acquireServeLock } from '../../functions/adapters/local/sqlite/serve-lock.ts';
import { startChild } from './child-process.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const locked = { code: 'SERVICE_LOCKED' };

describe('the serve lock', () => {
  test('has one holder until it is released', ({ expect, onTestFinished }) => {
    const directory = temporaryDirectory();
    onTestFinished(directory.remove);
    const path = join(directory.path, 'new', 'serve.lock');
    const lock = acquireServeLock(path);
    expect(() => acquireServeLock(path)).toThrow(expect.objectContaining(locked));
    lock.release();
    lock.release();
    const again = acquireServeLock(path);
    lock.release();
    expect(() => acquireServeLock(path)).toThrow(expect.objectContaining(locked));
    again.release();
  });

  test('of another process goes with it, even when it is killed', async ({
    expect,
    onTestFinished,
  }) => {
    const directory = temporaryDirectory();
    onTestFinished(directory.remove);
    const path = join(directory.path, 'serve.lock');
    const child = startChild('lock', path);
    onTestFinished(async () => {
      await child.kill();
    });
    expect(await child.line()).toBe('held');
    expect(() => acquireServeLock(path)).toThrow(expect.objectContaining(locked));
    await child.kill();
    acquireServeLock(path).release();
  });

  test('needs a directory it can use', ({ expect, onTestFinished }) => {
    const directory = temporaryDirectory();
    onTestFinished(directory.remove);
    const file = join(directory.path, 'file');
    writeFileSync(file, '');
    const unusable = { code: 'DATA_DIR_UNUSABLE', hint: expect.stringContaining('--data_dir') };
    expect(() => acquireServeLock(join(file, 'serve.lock'))).toThrow(
      expect.objectContaining(unusable),
    );
  });
});
