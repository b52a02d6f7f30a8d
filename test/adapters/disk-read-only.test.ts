import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { runServe } from '../../functions/embedded.ts';
import { errorBody } from '../../shared/api/error.ts';
import { caliban, startOneMachine } from '../doubles/one-machine.ts';
import { serveOptions } from '../doubles/serve-options.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { aFailingDisk, canBreakDisks } from '../fixtures/small-disk.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { withoutWriting } from './without-writing.ts';

describe.runIf(canBreakDisks())('a disk that becomes read-only while the service runs', () => {
  test('is told in every refusal; nothing is lost, and all goes on after the repair', async (t) => {
    const disk = aFailingDisk(t, 64);
    const { path: root, remove } = temporaryDirectory();
    t.onTestFinished(remove);
    const dataDir = join(disk.path, 'data');
    const runs = join(root, 'runs');
    const go = join(root, 'go');
    const service = await startOneMachine(t.onTestFinished, dataDir);
    const count = 12;
    const script = `echo "$2" >> '${runs}'; [ "$2" -gt 1 ] || until [ -e '${go}' ]; do sleep 0.1; done`;
    await service.submit({ script, count });
    await service.until(2, 'RUNNING');
    disk.breakDown();

    const submitted = await service.submit({ script, count: 1, key: 'more' });
    await expectReadOnly(t, submitted, dataDir);
    const layer = aLayer(aTar(aFile('usr/app/other.py', 'x = 1')));
    await expectReadOnly(t, await service.upload(layer), dataDir);
    await expectReadOnly(t, await service.send('/v1/groups/sweep/stop', {}), dataDir);
    t.expect((await service.send('/v1/groups/sweep')).status).toBe(200);
    t.expect(await service.states()).toEqual({ RUNNING: 2, SUBMITTED: count - 2 });
    const check = ['admin', 'check', '--layers', '--data_dir', dataDir];
    t.expect((await caliban(check)).stdout).toMatch(/nothing differs\n$/);
    t.expect(service.process.exitCode).toBeNull();
    await service.stop();
    t.expect(service.process.exitCode).toBe(0);

    // Records can still be read, and served no more.
    t.expect((await caliban(check)).stdout).toMatch(/nothing differs\n$/);
    const refused = await caliban(['serve', '--data_dir', dataDir]);
    t.expect(refused.status).toBe(6);
    t.expect(refused.stderr).toContain(
      `${dataDir} cannot be written: its file system is read-only`,
    );
    t.expect(refused.stderr).toContain('--data_dir');
    const backup = await caliban(['admin', 'backup', join(root, 'backup'), '--data_dir', dataDir]);
    t.expect(backup.status).toBe(0);

    // The two programs would end, but their supervisors could not say so: the repair ends them.
    endSupervisors(dataDir);
    await disk.repair();
    writeFileSync(go, '');
    const again = await startOneMachine(t.onTestFinished, dataDir);
    await again.until(count, 'SUCCEEDED', 'FAILED');
    for (const { state, cause, flags } of await again.jobs()) {
      const wasRunning = Number(flags[1]) < 2;
      t.expect(state).toBe(wasRunning ? 'FAILED' : 'SUCCEEDED');
      if (wasRunning) t.expect(cause.code).toBe('supervisor-killed');
    }
    const lines = readFileSync(runs, 'utf8').trim().split('\n');
    t.expect([lines.length, new Set(lines).size]).toEqual([count, count]);
    t.expect((await caliban(check)).stdout).toMatch(/nothing differs\n$/);
  }, 180_000);
});

describe('a directory that this user may not write', () => {
  test('is not served, whether it was used before or not, and stays as it is', async (t) => {
    for (const isUsed of [true, false]) {
      const { path, remove } = temporaryDirectory();
      t.onTestFinished(remove);
      if (isUsed) await (await serve(path)).stop();
      const before = readdirSync(path);
      const giveBack = withoutWriting(t, path);
      await t.expect(serve(path)).rejects.toMatchObject({
        code: 'DATA_DIR_UNUSABLE',
        message: t.expect.stringMatching(
          / cannot be written: this user may not write there \(EACCES\)\.$/,
        ),
        hint: t.expect.stringContaining('write access'),
      });
      giveBack();
      t.expect(readdirSync(path)).toEqual(before);
    }
  });
});

async function serve(dataDir: string) {
  const end = new AbortController();
  const token = 'token-of-a-test-0123456789';
  const running = await runServe(serveOptions({ dataDir, slots: 1, token, signal: end.signal }));
  const stop = async () => {
    end.abort();
    await running.closed;
  };
  return { ...running, stop };
}

async function expectReadOnly(t: TestContext, answer: Response, dataDir: string): Promise<void> {
  t.expect(answer.status).toBe(503);
  const { error } = errorBody.parse(await answer.json());
  t.expect(error.code).toBe('DATA_DIR_UNUSABLE');
  t.expect(error.message).toContain(dataDir);
  t.expect(error.message).toContain('its file system is read-only');
  t.expect(error.hint).toContain('--data_dir');
}

function endSupervisors(dataDir: string): void {
  const attempts = join(dataDir, 'process', 'attempts');
  const files = readdirSync(attempts, { recursive: true, encoding: 'utf8' });
  const isBlank = (path: string) => readFileSync(join(attempts, path), 'utf8').trim() === '';
  const running = files
    .filter((path) => path.endsWith('/exit.json') && isBlank(path))
    .map((path) => path.replace(/exit\.json$/, 'started'));
  for (const path of running) {
    process.kill(-Number(readFileSync(join(attempts, path), 'utf8').split('\n')[0]), 'SIGKILL');
  }
}
