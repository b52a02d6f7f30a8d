import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import type { ProcessPlatformOptions } from '../../functions/adapters/local/process/process-platform.ts';
import { SUPERVISOR_SCRIPT } from '../../functions/adapters/local/process/supervisor.ts';
import { createInterpreterResolver } from '../../functions/adapters/local/python.ts';
import { type PlatformJob, PlatformRefusal } from '../../functions/ports/platform.ts';
import { aJob, eventually, terminal, wholeLog } from '../contract/platform.ts';
import {
  type ProcessHarness,
  processHarness,
  temporaryDirectory,
} from '../fixtures/process-platform.ts';
import { hasPart } from '../fixtures/require.ts';

describe('what a process of a job sees', () => {
  test('its output in order, an empty stdin, its names and none of our secrets', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const script =
      'for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done; cat; ' +
      'echo "$CALIBAN_JOB_ID $CALIBAN_ATTEMPT [$CALIBAN_TOKEN] $PYTHONUNBUFFERED"';
    const { log } = await runToEnd(harness, ['sh', '-c', script]);
    expect(log).toBe('out1\nerr1\nout2\nerr2\nout3\nerr3\nout4\nerr4\nout5\nerr5\njob 1 [] 1\n');
  });

  test('the first word is a program even when the shell has a builtin of that name', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    expect((await runToEnd(harness, ['exit', '3'])).end).toMatchObject({ exitCode: 127 });
    const { log } = await runToEnd(harness, ['printf', '%s', 'a'], 'job2');
    expect(log).toBe('a');
  });

  test('a program that is not there ends with 127 and says so', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const { end, log } = await runToEnd(harness, ['no-such-program']);
    expect(end).toMatchObject({ state: 'FAILED', exitCode: 127 });
    expect(log).toContain('no-such-program');
  });

  test('a private copy of its layers, unpacked once for all', async ({
    expect,
    onTestFinished,
  }) => {
    const source = await sourceTree(onTestFinished);
    let unpacked = 0;
    const harness = await opened(onTestFinished, {
      openLayer: async () => {
        unpacked += 1;
        return tarOf(source);
      },
    });
    const script = 'cat data.txt link; ls -l tool | cut -c1-10; echo mine > data.txt; cat data.txt';
    const run = { kind: 'workspace', venvKey: null, layers: ['aa'] } as const;
    for (const jobId of ['one', 'two', 'three']) {
      const { log } = await runToEnd(harness, ['sh', '-c', script], jobId, run);
      expect(log).toBe('data\ndata\n-rwxr-xr-x\nmine\n');
    }
    expect(unpacked).toBe(1);
  });

  test('a layer that cannot be had fails the job with the reason', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const run = { kind: 'workspace', venvKey: null, layers: ['beef'] } as const;
    const { end } = await runToEnd(harness, ['true'], 'job', run);
    expect(end).toMatchObject({ state: 'FAILED', startedAt: null, cause: { code: 'platform' } });
    expect(end.cause.message).toContain('no layer beef');
  });

  test('a virtualenv that is gone fails the job with the reason', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const run = { kind: 'workspace', venvKey: 'feed', layers: [] } as const;
    const { end } = await runToEnd(harness, ['python', '-c', ''], 'job', run);
    expect(end.cause.message).toContain('submit again');
  });

  test('without Python a python job is refused for good with what to install, a shell job runs', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished, {
      interpreter: createInterpreterResolver({ path: '/nonexistent' }),
    });
    const job = { ...aJob(harness, { jobId: 'py' }), command: ['python', 'a.py'] };
    await expect(harness.platform.submit(job)).rejects.toMatchObject({
      name: 'PlatformRefusal',
      kind: 'permanent',
      hint: expect.stringContaining('apt-get install python3'),
    });
    expect((await runToEnd(harness, ['true'])).end.state).toBe('SUCCEEDED');
  });

  test('an image, an empty command and an endless argument are refused for good', async ({
    expect,
    onTestFinished,
  }) => {
    const harness = await opened(onTestFinished);
    const job = aJob(harness, { jobId: 'no' });
    const refused: Partial<PlatformJob>[] = [
      { run: { kind: 'image', digest: 'sha256:0' } },
      { command: [] },
      { args: ['x'.repeat(131_072)] },
      { jobId: '../up' },
    ];
    for (const change of refused) {
      const submitted = harness.platform.submit({ ...job, ...change });
      await expect(submitted).rejects.toThrow(PlatformRefusal);
    }
    expect(await harness.platform.find('no')).toEqual([]);
  });

  test('changes are hinted at', async ({ expect, onTestFinished }) => {
    const seen: string[] = [];
    const harness = await opened(onTestFinished, { onChange: (jobId) => seen.push(jobId) });
    await harness.platform.submit({ ...aJob(harness, { jobId: 'hint' }), command: ['true'] });
    await eventually(harness, async () => (seen.length > 0 ? true : undefined));
    expect(new Set(seen)).toEqual(new Set(['hint']));
  });
});

describe.runIf(hasPart('python'))('Python in a process', () => {
  test.for([
    ['the command python', ['python', '-c', 'import sys; print(sys.version_info[0])']],
    ['python in a script', ['sh', '-c', 'python -c "import sys; print(sys.version_info[0])"']],
    ['python3 in a script', ['sh', '-c', 'python3 -c "import sys; print(sys.version_info[0])"']],
  ] as const)(
    '%s is the interpreter that was resolved',
    async ([, command], { expect, onTestFinished }) => {
      const harness = await opened(onTestFinished, {
        environment: { PATH: '/usr/bin:/bin' },
      });
      expect((await runToEnd(harness, command)).log).toBe('3\n');
    },
  );

  test('signals have their default meaning', async ({ expect, onTestFinished }) => {
    const harness = await opened(onTestFinished);
    const code =
      'import signal as s; print([s.getsignal(x) == s.SIG_DFL for x in (s.SIGTERM, s.SIGHUP, s.SIGQUIT)], ' +
      's.getsignal(s.SIGINT) == s.default_int_handler)';
    const { log } = await runToEnd(harness, ['python', '-c', code]);
    expect(log).toBe('[True, True, True] True\n');
  });
});

describe('the supervisor script', () => {
  test.for(['dash', 'bash', 'sh'])('says the same under %s', async (shell, ctx) => {
    const dir = await temporaryDirectory();
    ctx.onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const script = join(dir, 'supervisor.sh');
    await writeFile(script, SUPERVISOR_SCRIPT);
    const program = 'echo "$0"; kill -TERM -$PPID; exec sleep 1000';
    const child = spawn(shell, [script, dir, 'sh', '-c', program, 'a  b'], { detached: true });
    const failed = await Promise.race([once(child, 'error'), once(child, 'exit')]);
    if (failed[0] instanceof Error) return ctx.skip(`${shell} is not on this machine`);
    const { expect } = ctx;
    expect(await readFile(join(dir, 'log'), 'utf8')).toBe('a  b\n');
    expect(JSON.parse(await readFile(join(dir, 'exit.json'), 'utf8'))).toEqual({ exitCode: 143 });
    const [pid, start, boot] = (await readFile(join(dir, 'started'), 'utf8')).split('\n');
    expect(Number(pid)).toBe(child.pid);
    expect(start).toMatch(/\d/);
    expect(boot).toMatch(/\d/);
  });

  test('of two supervisors one runs the program', async ({ expect, onTestFinished }) => {
    const dir = await temporaryDirectory();
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const script = join(dir, 'supervisor.sh');
    await writeFile(script, SUPERVISOR_SCRIPT);
    const children = Array.from({ length: 8 }, () =>
      spawn('sh', [script, dir, 'echo', 'once'], { detached: true, stdio: 'ignore' }),
    );
    await Promise.all(children.map((child) => once(child, 'exit')));
    expect(await readFile(join(dir, 'log'), 'utf8')).toBe('once\n');
  });

  test('a stop that came first keeps the program from starting', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await temporaryDirectory();
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await writeFile(join(dir, 'supervisor.sh'), SUPERVISOR_SCRIPT);
    await writeFile(join(dir, 'stop'), '');
    const child = spawn('sh', [join(dir, 'supervisor.sh'), dir, 'touch', join(dir, 'ran')], {
      detached: true,
    });
    await once(child, 'exit');
    const exit: unknown = JSON.parse(await readFile(join(dir, 'exit.json'), 'utf8'));
    expect(exit).toEqual({ exitCode: 143 });
    await sleep(20);
    await expect(readFile(join(dir, 'ran'))).rejects.toThrow('ENOENT');
  });
});

type Cleanup = (work: () => Promise<void> | void) => void;

async function opened(
  onTestFinished: Cleanup,
  options: Partial<ProcessPlatformOptions> = {},
): Promise<ProcessHarness> {
  const harness = await processHarness(options);
  onTestFinished(() => harness.close());
  return harness;
}

async function runToEnd(
  harness: ProcessHarness,
  command: readonly string[],
  ...[jobId = 'job', run]: readonly [string?, PlatformJob['run']?]
) {
  const job = { ...aJob(harness, { jobId }), command, args: [] };
  const { ref } = await harness.platform.submit(run === undefined ? job : { ...job, run });
  const end = await terminal(harness, jobId);
  return { end, log: await wholeLog(harness, ref, 10_000) };
}

/** A directory that holds `usr/app/…` as a layer does. */
async function sourceTree(onTestFinished: Cleanup): Promise<string> {
  const dir = await temporaryDirectory();
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const app = join(dir, 'usr/app');
  await mkdir(join(app, 'deep/er'), { recursive: true });
  await writeFile(join(app, 'data.txt'), 'data\n');
  await writeFile(join(app, 'tool'), '');
  await chmod(join(app, 'tool'), 0o755);
  await symlink('data.txt', join(app, 'link'));
  return dir;
}

async function* tarOf(dir: string): AsyncGenerator<Uint8Array> {
  const child = spawn('tar', ['-c', '-C', dir, 'usr/app'], { stdio: ['ignore', 'pipe', 'ignore'] });
  yield* child.stdout;
}
