import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import {
  makeBuildsDirectory,
  withBuildLog,
} from '../../../../../../functions/adapters/local/builds/build-log.ts';
import { temporaryDirectory } from '../../../../../adapters/temporary-directory.ts';

describe('the directory of builds', () => {
  test.for([0o755, 0o777, 0o700, undefined])(
    'is its owner’s alone, was it %o or not there',
    async (before, { expect, onTestFinished }) => {
      const dir = join(opened(onTestFinished), 'builds');
      if (before !== undefined) {
        mkdirSync(dir);
        chmodSync(dir, before);
      }
      await makeBuildsDirectory(dir);
      expect(modeOf(dir)).toBe(0o700);
    },
  );

  test('and so is a log, also one that an earlier version wrote', async ({
    expect,
    onTestFinished,
  }) => {
    const cwd = opened(onTestFinished);
    chmodSync(cwd, 0o755);
    const path = join(cwd, 'key.log');
    writeFileSync(path, 'old');
    chmodSync(path, 0o644);
    const build = { path, cwd, env: { PATH: '/bin' }, signal: new AbortController().signal };
    await withBuildLog(build, async () => undefined);
    expect([modeOf(path), modeOf(cwd)]).toEqual([0o600, 0o700]);
  });
});

test('a variable of one program of a build is in the environment of no other', async ({
  expect,
  onTestFinished,
}) => {
  const cwd = opened(onTestFinished);
  const path = join(cwd, 'key.log');
  const { signal } = new AbortController();
  const say = ['/bin/sh', '-c', 'echo "$FIXED [$SECRET]"'];
  const did = await withBuildLog({ path, cwd, env: { FIXED: 'x' }, signal }, async (shell) => [
    await shell.succeeds(say),
    await shell.succeeds(say, { SECRET: 'pa55' }),
    await shell.succeeds(say),
  ]);
  expect(did).toEqual([true, true, true]);
  const said = readFileSync(path, 'utf8').split('\n');
  expect(said.filter((line) => line !== '' && !line.startsWith('$ '))).toEqual([
    'x []',
    'x [pa55]',
    'x []',
  ]);
});

function opened(onTestFinished: TestContext['onTestFinished']): string {
  const dir = temporaryDirectory();
  onTestFinished(dir.remove);
  return dir.path;
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}
