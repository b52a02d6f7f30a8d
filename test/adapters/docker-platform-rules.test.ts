import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { describe, test } from 'vitest';
import type { PlatformJob } from '../../functions/ports/platform.ts';
import { eventually, terminal, wholeLog } from '../contract/platform.ts';
import { openEngineProxy } from '../doubles/engine-proxy.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import {
  containersOf,
  type DockerPlatform,
  dockerDirectory,
  imageWith,
  onlyContainer,
  openIn,
  scriptJob,
  testEngine,
  waiter,
} from '../fixtures/docker-platform.ts';
import { hasPart, TEST_BASE_IMAGE } from '../fixtures/require.ts';

const MIB = 1024 * 1024;

describe.runIf(hasPart('docker'))('a container of the Docker platform', () => {
  test('has the limits of the platform, the marks of its job and nothing of the service', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const limits = { cpus: 0.5, memoryBytes: 64 * MIB };
    const platform = await openIn(dir, onTestFinished, { limits });
    const job = await scriptJob('seen', 'env | sort; df -k /dev/shm | tail -1; sleep 1000');
    const { ref } = await platform.submit({ ...job, labels: { team: 'vision', service: 'mine' } });
    await eventually(waiter, async () =>
      (await platform.readLog(ref, '', 2000)).text.includes('shm') ? true : undefined,
    );
    const { Name, Config, HostConfig } = await (await onlyContainer(dir)).inspect();
    const service = Config.Labels['dev.caliban.service'];
    expect(Name).toBe(`/caliban-${service}-seen-1`);
    const ofImage = (await (await testEngine).getImage(Config.Image).inspect()).Config.Labels;
    expect(Config.Labels).toEqual({
      ...ofImage,
      'dev.caliban.service': expect.stringMatching(/^[0-9a-f]{12}$/),
      'dev.caliban.job': 'seen',
      'dev.caliban.attempt': '1',
      'dev.caliban.lane': 'lane-a',
      'dev.caliban.name': 'name-seen',
      'dev.caliban.label.team': 'vision',
      'dev.caliban.label.service': 'mine',
    });
    expect(HostConfig).toMatchObject({
      NanoCpus: 5e8,
      Memory: 64 * MIB,
      MemorySwap: 64 * MIB,
      Init: true,
      AutoRemove: false,
      RestartPolicy: { Name: 'no' },
    });
    const log = await wholeLog(
      { platform: { ...platform, readLog: endedLog(platform) } },
      ref,
      2000,
    );
    expect(log).toContain('CALIBAN_ATTEMPT=1\nCALIBAN_JOB_ID=seen\n');
    expect(log).toContain('PYTHONUNBUFFERED=1\n');
    expect(log).toMatch(/shm +65536 /);
  });

  test('that needs more memory than it may have says so', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const limits = { cpus: null, memoryBytes: 32 * MIB };
    const platform = await openIn(dir, onTestFinished, { limits });
    const job = await scriptJob('eats', '');
    await platform.submit({ ...job, command: ['python3', '-c', 'x = bytearray(200 << 20)'] });
    const end = await terminal({ ...waiter, platform }, 'eats');
    expect(end).toMatchObject({ state: 'FAILED', exitCode: 137, cause: { code: 'out-of-memory' } });
    expect(end.cause.message).toContain('32 MiB');
    expect(end.cause.message).toContain('--job_memory');
  });

  test('that got over a lack of memory has succeeded', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const limits = { cpus: null, memoryBytes: 32 * MIB };
    const platform = await openIn(dir, onTestFinished, { limits });
    const script = "python3 -c 'x = bytearray(200 << 20)'; echo $?";
    const { ref } = await platform.submit(await scriptJob('survives', script));
    const end = await terminal({ ...waiter, platform }, 'survives');
    expect(end).toMatchObject({ state: 'SUCCEEDED', cause: { code: 'succeeded' } });
    expect(await wholeLog({ platform }, ref, 1000)).toContain('137\n');
  });

  test('runs the image’s own entry point with the job’s arguments', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const entrypoint = '["/bin/sh", "-c", "echo own $0 $1; pwd; id -u"]';
    const image = await imageWith(onTestFinished, [
      `ENTRYPOINT ${entrypoint}`,
      'WORKDIR /opt',
      'USER 1000:1000',
      'CMD ["never"]',
    ]);
    const platform = await openIn(dir, onTestFinished);
    const job = await scriptJob('own', '');
    const run = { kind: 'image', digest: image } as const;
    const { ref } = await platform.submit({ ...job, run, command: ['never'], args: ['a b', '$c'] });
    await terminal({ ...waiter, platform }, 'own');
    expect(await wholeLog({ platform }, ref, 1000)).toBe('own a b $c\n/opt\n1000\n');
  });
});

describe.runIf(hasPart('docker'))('a job that cannot be started', () => {
  test.for([
    ['a command that is not there', { command: ['nope'] }, 127, 'exec nope failed: No such file'],
    ['a command that is no program', { command: ['/etc/passwd'] }, 126, 'Permission denied'],
    ['no command at all', { command: [] }, null, 'No command specified'],
    [
      'an image that is gone',
      { run: { kind: 'image', digest: `sha256:${'1'.repeat(64)}` } },
      null,
      'is not on this machine any more; resubmit',
    ],
  ] as const)(
    '%s: failed, in the engine’s words',
    async ([, change, exitCode, words], { expect, onTestFinished }) => {
      const dir = await dockerDirectory(onTestFinished);
      const platform = await openIn(dir, onTestFinished);
      await platform.submit({ ...(await scriptJob('bad', '')), ...change });
      const end = await terminal({ ...waiter, platform }, 'bad');
      expect(end).toMatchObject({ state: 'FAILED', exitCode, cause: { code: 'platform' } });
      expect(end.cause.message).toContain(words);
    },
  );

  test('a user that the image lacks: failed, also when the answer to the start is lost', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const image = await imageWith(onTestFinished, ['USER ghost']);
    const proxy = await openEngineProxy(dir);
    onTestFinished(() => proxy.close());
    proxy.after = async (request) => {
      if (request.endsWith('/start')) throw new Error('lost');
    };
    const platform = await openIn(dir, onTestFinished, {
      connect: async () => new Docker({ socketPath: proxy.socketPath }),
    });
    const run = { kind: 'image', digest: image } as const;
    await platform.submit({ ...(await scriptJob('ghost', 'true')), run });
    const end = await terminal({ ...waiter, platform }, 'ghost');
    expect(end).toMatchObject({ state: 'FAILED', startedAt: null, exitCode: null });
    expect(end.cause.message).toContain('unable to find user ghost');
    await eventually(waiter, async () =>
      (await containersOf(dir)).length === 0 ? true : undefined,
    );
  });

  test('what is no image, or names one loosely, is refused for good', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    const job = await scriptJob('refused', '');
    const runs: readonly PlatformJob['run'][] = [
      { kind: 'workspace', venvKey: null, layers: [] },
      { kind: 'image', digest: TEST_BASE_IMAGE },
      { kind: 'image', digest: '../containers' },
    ];
    for (const run of runs) {
      await expect(platform.submit({ ...job, run })).rejects.toMatchObject({ kind: 'permanent' });
    }
    expect(await platform.find('refused')).toEqual([]);
  });
});

describe.runIf(hasPart('docker'))('a machine that cannot start containers now', () => {
  test('keeps its jobs waiting, and they run once it can', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const proxy = await openEngineProxy(dir);
    onTestFinished(() => proxy.close());
    let refusals = 3;
    const reason = 'failed to create endpoint: could not find bridge docker0';
    proxy.instead = (request) => {
      const isNext = /^POST .*start$/.test(request) && refusals > 0;
      if (isNext) refusals -= 1;
      return isNext ? { status: 500, message: reason } : null;
    };
    const warnings: string[] = [];
    const log = { ...SILENT_LOG, warn: (_: unknown, text: string) => void warnings.push(text) };
    const connect = async () => new Docker({ socketPath: proxy.socketPath });
    const platform = await openIn(dir, onTestFinished, { connect, log, slots: 1, pollMs: 50 });
    await platform.submit(await scriptJob('patient', 'echo once'));
    const end = await terminal({ ...waiter, platform }, 'patient');
    expect(end).toMatchObject({ state: 'SUCCEEDED', exitCode: 0 });
    expect(await wholeLog({ platform }, end.ref, 100)).toBe('once\n');
    expect(refusals).toBe(0);
    expect(warnings.filter((text) => text.includes('a reason of this machine'))).toHaveLength(3);
  });
});

describe.runIf(hasPart('docker'))('a stop on the Docker platform', () => {
  test('a program that ends on TERM has its grace', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    const script = 'trap "echo saved; exit 0" TERM; echo ready; while :; do sleep 0.02; done';
    const ref = await ready(platform, 'grace', script);
    await platform.cancel(ref);
    const end = await terminal({ ...waiter, platform }, 'grace');
    expect(end).toMatchObject({ state: 'STOPPED', exitCode: 0 });
    expect(await wholeLog({ platform }, ref, 100)).toBe('ready\nsaved\n');
  });

  test('a program that ignores TERM is killed after the grace', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished, { graceMs: 400 });
    const ref = await ready(
      platform,
      'deaf',
      'trap "" TERM; echo ready; while :; do sleep 0.02; done',
    );
    const askedAt = Date.now();
    await platform.cancel(ref);
    const end = await terminal({ ...waiter, platform }, 'deaf');
    expect(end).toMatchObject({ state: 'STOPPED', exitCode: 137 });
    expect(Date.now() - askedAt).toBeGreaterThanOrEqual(400);
  });

  test('a Python that is the first program of its image ends on TERM', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    const ref = await ready(
      platform,
      'python',
      'exec python3 -c "import time; print(\'ready\'); time.sleep(1000)"',
    );
    await platform.cancel(ref);
    const end = await terminal({ ...waiter, platform }, 'python');
    expect(end).toMatchObject({ state: 'STOPPED', exitCode: 143 });
  });

  test('a job that waits for a slot is stopped at once and never started', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished, { slots: 1 });
    const first = await ready(platform, 'busy', 'echo ready; exec sleep 1000');
    const { ref } = await platform.submit(await scriptJob('waits', 'echo started'));
    await platform.cancel(ref);
    const [stopped] = await platform.find('waits');
    expect(stopped).toMatchObject({ state: 'STOPPED', startedAt: null });
    await platform.cancel(first);
    await terminal({ ...waiter, platform }, 'busy');
    await platform.submit(await scriptJob('next', 'true'));
    await terminal({ ...waiter, platform }, 'next');
    expect(await platform.readLog(ref, '', 100)).toMatchObject({ text: '', ended: true });
  });
});

describe.runIf(hasPart('docker'))('an engine that does not answer', () => {
  test('changes nothing; the warning comes once, and all goes on by itself', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const said: string[] = [];
    const say = (_: unknown, message: string) => void said.push(message);
    const proxy = await openEngineProxy(dir);
    const platform = await openIn(dir, onTestFinished, {
      connect: async () => new Docker({ socketPath: proxy.socketPath }),
      pollMs: 50,
      log: { ...SILENT_LOG, info: say, warn: say, error: say },
    });
    const script = 'trap "echo done; exit 0" USR1; echo ready; while :; do sleep 0.05; done';
    const ref = await ready(platform, 'runs', script);
    await proxy.close();
    await eventually(waiter, async () => (said.length > 0 ? true : undefined));
    await platform.submit(await scriptJob('new', 'echo new'));
    const container = await onlyContainer(dir);
    await container.kill({ signal: 'SIGUSR1' });
    await container.wait();
    for (let look = 0; look < 5; look++) {
      expect(await platform.find('runs')).toMatchObject([{ state: 'RUNNING' }]);
      expect(await platform.find('new')).toMatchObject([{ state: 'SUBMITTED' }]);
      await platform.list('lane-a', 0, null);
    }
    expect(said).toEqual([expect.stringContaining('does not answer')]);
    const again = await openEngineProxy(dir);
    onTestFinished(() => again.close());
    for (const jobId of ['runs', 'new']) {
      expect(await terminal({ ...waiter, platform }, jobId)).toMatchObject({ state: 'SUCCEEDED' });
    }
    expect(await wholeLog({ platform }, ref, 100)).toBe('ready\ndone\n');
    expect(said[1]).toContain('answers again');
  });

  test('holds nobody up for long when it hangs', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const proxy = await openEngineProxy(dir);
    onTestFinished(() => proxy.close());
    const platform = await openIn(dir, onTestFinished, {
      connect: async () => new Docker({ socketPath: proxy.socketPath }),
    });
    const ref = await ready(platform, 'runs', 'echo ready; exec sleep 1000');
    proxy.before = () => new Promise(() => undefined);
    const begun = Date.now();
    expect(await platform.find('runs')).toMatchObject([{ state: 'RUNNING' }]);
    await platform.cancel(ref);
    // An engine's answer to one question is waited for 20 s.
    expect(Date.now() - begun).toBeLessThan(18_000);
  });
});

test.runIf(hasPart('docker'))(
  'an end is hinted at; once it was seen, nothing of the job is kept in memory',
  async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    for (const jobId of ['a', 'b', 'c']) await platform.submit(await scriptJob(jobId, 'true'));
    const ends = [];
    for (const jobId of ['a', 'b', 'c']) ends.push(await terminal({ ...waiter, platform }, jobId));
    const live = await eventually(waiter, async () => {
      await platform.list('lane-a', Date.now() + 1, null);
      const refs = await readdir(join(dir, 'live'));
      return refs.length === 0 ? refs : undefined;
    });
    expect(live).toEqual([]);
    for (const end of ends) expect(await platform.find(end.jobId)).toEqual([end]);
  },
);

/** Submits a script and waits until it has printed `ready`. */
async function ready(platform: DockerPlatform, jobId: string, script: string): Promise<string> {
  const { ref } = await platform.submit(await scriptJob(jobId, script));
  await eventually(waiter, async () => {
    const [seen] = await platform.find(jobId);
    const { text } = await platform.readLog(ref, '', 100);
    return seen?.state === 'RUNNING' && text.includes('ready') ? true : undefined;
  });
  return ref;
}

/** The log as if it had ended. */
function endedLog(platform: DockerPlatform): DockerPlatform['readLog'] {
  return async (...asked) => ({ ...(await platform.readLog(...asked)), ended: true });
}
