import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createInterpreterResolver } from '../../functions/adapters/local/python.ts';
import {
  type ImageBuilderHarness,
  imageBuilderContract,
  NO_DEPENDENCIES,
  settled,
} from '../contract/image-builder.ts';
import { aJob, terminal, wholeLog } from '../contract/platform.ts';
import { processHarness, temporaryDirectory } from '../fixtures/process-platform.ts';
import { hasPart } from '../fixtures/require.ts';
import { buildFixtureWheel, requirementsLayers, testBuilder } from '../fixtures/venv-builder.ts';

describe.runIf(hasPart('python'))('virtualenvs', { timeout: 120_000 }, () => {
  imageBuilderContract('virtualenv', open);

  test('what a crash left half built is wiped and built again, and jobs see its packages', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, builder, good, pass } = await opened(onTestFinished);
    const key = (await builder.plan(good))?.key ?? '';
    const host = spawn(process.execPath, [HOST, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(host.stdout, 'data');
    while (!(await exists(join(builder.venvDir(key), 'bin')))) await sleep(5);
    host.kill('SIGKILL');
    await once(host, 'exit');
    await writeFile(join(builder.venvDir(key), 'stale'), '');
    expect(await builder.poll(key, 1)).toEqual({ state: 'absent' });
    expect(await builder.plan(good)).toEqual({ key, ready: false, image: null });
    await builder.start({ key, attempt: 1, dependencies: good });
    expect(await settled({ builder, pass }, key, 1)).toEqual({ state: 'ready' });
    expect(await exists(join(builder.venvDir(key), 'stale'))).toBe(false);
    const harness = await processHarness({ venvDir: builder.venvDir });
    onTestFinished(() => harness.close());
    const code = 'import caliban_fixture as f; print(f.GREETING)';
    const said: string[] = [];
    for (const command of [
      ['python', '-c', code],
      ['sh', '-c', `python3 -c '${code}'; echo $VIRTUAL_ENV`],
    ]) {
      const run = { kind: 'workspace', venvKey: key, layers: [] } as const;
      const job = { ...aJob(harness, { jobId: `venv${said.length}` }), run, command };
      const { ref } = await harness.platform.submit(job);
      await terminal(harness, job.jobId);
      said.push(await wholeLog(harness, ref, 1000));
    }
    const greeting = 'hello from a wheel\n';
    expect(said).toEqual([greeting, `${greeting}${builder.venvDir(key)}\n`]);
  });

  test.runIf(process.platform === 'linux')(
    'a build ends with the service, when that is killed',
    async ({ expect, onTestFinished }) => {
      const { dir } = await opened(onTestFinished);
      const host = spawn(process.execPath, [HOST, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(host.stdout, 'data');
      while ((await processesOf(dir)).length < 2) await sleep(5);
      host.kill('SIGKILL');
      await once(host, 'exit');
      for (let turn = 0; turn < 200 && (await processesOf(dir)).length > 0; turn++) await sleep(10);
      expect(await processesOf(dir)).toEqual([]);
    },
  );

  test('the key changes with requirements and pip settings', async ({ expect, onTestFinished }) => {
    const { dir, builder, good } = await opened(onTestFinished);
    const plan = await builder.plan(good);
    const withIndex = testBuilder(dir, { PIP_INDEX_URL: 'http://127.0.0.1:9/simple' });
    expect((await withIndex.plan(good))?.key).not.toBe(plan?.key);
    await requirementsLayers(dir, 'changed');
    expect((await builder.plan(good))?.key).not.toBe(plan?.key);
  });

  test('what needs a container is refused by name', async ({ expect, onTestFinished }) => {
    const { builder } = await opened(onTestFinished);
    const refused = [
      [{ apt: ['libgl1', 'ffmpeg'] }, 'libgl1, ffmpeg'],
      [{ base: 'debian:12' }, 'debian:12'],
      [{ extras: ['gpu'] }, 'gpu'],
      [{ python: '2.7' }, '2.7'],
    ] as const;
    for (const [change, named] of refused) {
      const plan = builder.plan({ ...NO_DEPENDENCIES, ...change });
      await expect(plan).rejects.toMatchObject({
        code: 'PLATFORM_UNSUPPORTED',
        message: expect.stringContaining(named),
      });
    }
    const { version } = await createInterpreterResolver({ path: process.env['PATH'] })();
    const own = version.split('.').slice(0, 2).join('.');
    expect(await builder.plan({ ...NO_DEPENDENCIES, python: own })).toBeNull();
  });

  test('requirements that are not in the layer are named', async ({ expect, onTestFinished }) => {
    const { builder, good } = await opened(onTestFinished);
    await expect(builder.plan({ ...good, requirements: 'gone.txt' })).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('gone.txt'),
    });
  });
});

const HOST = fileURLToPath(new URL('../fixtures/venv-host.ts', import.meta.url));

type Cleanup = (work: () => Promise<void>) => void;

async function opened(onTestFinished: Cleanup) {
  const harness = await open();
  onTestFinished(() => harness.close());
  return harness;
}

async function open(): Promise<
  ImageBuilderHarness & { readonly dir: string; readonly builder: ReturnType<typeof testBuilder> }
> {
  const dir = await temporaryDirectory();
  await buildFixtureWheel(dir);
  const { good, bad } = await requirementsLayers(dir, 'first');
  const builder = testBuilder(dir);
  return {
    dir,
    builder,
    good,
    bad,
    failure: {
      message: expect.stringContaining('No matching distribution found for nosuchpkg==9'),
      hint: expect.stringContaining('name and version'),
      retryable: false,
    },
    pass: () => sleep(20),
    close: async () => {
      await builder.close();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Command lines of living processes that work on a virtualenv below a directory. */
async function processesOf(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(join(dir, 'venvs'))) found.push(line);
  }
  return found;
}
