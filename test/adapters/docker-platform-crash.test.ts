import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';
import {
  containerLabels,
  serviceIdOf,
} from '../../functions/adapters/local/docker/containers/container-names.ts';
import { START_GRACE_MS } from '../../functions/adapters/local/docker/containers/container-step.ts';
import { eventually, terminal, wholeLog } from '../contract/platform.ts';
import { type EngineProxy, openEngineProxy } from '../doubles/engine-proxy.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import {
  type Cleanup,
  containersOf,
  countStarts,
  type DockerPlatform,
  dockerDirectory,
  filesOf,
  onlyContainer,
  openIn,
  scriptJob,
  testEngine,
  waiter,
} from '../fixtures/docker-platform.ts';
import { hasPart, TEST_BASE_IMAGE } from '../fixtures/require.ts';
import { systemClock } from '../fixtures/system-clock.ts';

const HOST = fileURLToPath(new URL('../fixtures/container-host.ts', import.meta.url));
const SCRIPT = 'echo begin; sleep 0.4; echo end';

const INSPECTION = /^GET .*[0-9a-f]{64}.json$/;
// The removal, when the program was faster than the first inspection.
const AFTER_LOG = /^GET .*[0-9a-f]{64}.json$|^DELETE/;

/** Where a service is killed: before the engine gets a request, or when it has answered and the service does not know yet. */
const KILLS = [
  ['before it creates a container', 'before', [/^POST .*create/]],
  ['with a container that it does not know yet', 'after', [/^POST .*create/]],
  ['with a container that was not started', 'before', [/attach/]],
  ['when the start was sent', 'after', [/start$/]],
  ['while the program runs', 'after', [/start$/, INSPECTION]],
  ['when the program has exited', 'before', [/start$/, INSPECTION, INSPECTION]],
  ['with a complete log and no end', 'before', [/start$/, INSPECTION, INSPECTION, AFTER_LOG]],
  ['between the end and the removal', 'before', [/^DELETE/]],
] as const;

describe.runIf(hasPart('docker'))('a Docker platform whose service is killed', () => {
  test.for(KILLS)(
    '%s runs the job once, with all its output',
    async ([, when, requests], { expect, onTestFinished }) => {
      const dir = await dockerDirectory(onTestFinished);
      const starts = await countStarts(dir, onTestFinished);
      const proxy = await proxyIn(dir, onTestFinished);
      await diesAt(startHost(dir, ['1', '1', SCRIPT], proxy), proxy, { when, requests });
      const platform = await openIn(dir, onTestFinished);
      const end = await terminal({ ...waiter, platform }, 'kill0');
      expect(end).toMatchObject({ state: 'SUCCEEDED', exitCode: 0 });
      expect(await wholeLog({ platform }, end.ref, 1000)).toBe('begin\nend\n');
      expect(starts).toEqual({ 'kill0.1': 1 });
      await empty(dir);
    },
  );

  test('a start that comes late, within the grace, is the one that counts', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, starts, release } = await held(/start$/, onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    expect(await platform.find('kill0')).toMatchObject([{ state: 'SUBMITTED' }]);
    release();
    const end = await terminal({ ...waiter, platform }, 'kill0');
    expect(end.state).toBe('SUCCEEDED');
    expect(starts).toEqual({ 'kill0.1': 1 });
  });

  test('a start that comes after the grace finds nothing to start', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, starts, release, answered } = await held(/start$/, onTestFinished);
    const [first] = await containersOf(dir);
    const later = { ...systemClock, now: () => Date.now() + START_GRACE_MS };
    const platform = await openIn(dir, onTestFinished, { clock: later });
    await eventually(waiter, async () => {
      const ids = (await containersOf(dir)).map(({ Id }) => Id);
      return ids.includes(first?.Id ?? '') ? undefined : true;
    });
    release();
    await answered;
    const end = await terminal({ ...waiter, platform }, 'kill0');
    expect(end.state).toBe('SUCCEEDED');
    expect(starts).toEqual({ 'kill0.1': 1 });
  });

  test('a container that is made late, after its job was stopped, is removed', async ({
    expect,
    onTestFinished,
  }) => {
    const { dir, starts, release, answered } = await held(/create/, onTestFinished);
    await writeFile(join(filesOf(dir, 'kill0.1'), 'stop'), '');
    const platform = await openIn(dir, onTestFinished, { pollMs: 50 });
    const end = await terminal({ ...waiter, platform }, 'kill0');
    expect(end).toMatchObject({ state: 'STOPPED', startedAt: null });
    release();
    await answered;
    await empty(dir);
    expect(starts).toEqual({});
  });

  test('every job runs exactly once, wherever the kills come', { timeout: 90_000 }, async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const starts = await countStarts(dir, onTestFinished);
    const ids = Array.from({ length: 60 }, (_, i) => `kill${i}`);
    const script = 'echo $CALIBAN_JOB_ID';
    for (const afterMs of [0, 200, 500, 900, 1400]) {
      const host = startHost(dir, ['3', String(ids.length), script]);
      await once(host.stdout, 'data');
      await sleep(afterMs);
      await kill(host);
    }
    const platform = await openIn(dir, onTestFinished, { slots: 3 });
    for (const jobId of ids) {
      await platform.submit(await scriptJob(jobId, script));
      const end = await terminal({ ...waiter, platform }, jobId);
      expect(end).toMatchObject({ state: 'SUCCEEDED', exitCode: 0 });
      expect(await wholeLog({ platform }, end.ref, 100)).toBe(`${jobId}\n`);
    }
    expect(starts).toEqual(Object.fromEntries(ids.map((jobId) => [`${jobId}.1`, 1])));
    await empty(dir);
  });
});

describe.runIf(hasPart('docker'))('a Docker platform that is opened again', () => {
  test('what ended meanwhile is told with its own exit status, time and output', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const first = await openIn(dir, onTestFinished);
    await running(first, 'away', 'trap "echo late; exit 7" USR1; while :; do sleep 0.05; done');
    await first.close();
    const container = await onlyContainer(dir);
    await container.kill({ signal: 'SIGUSR1' });
    await container.wait();
    const reopenedAt = Date.now();
    const platform = await openIn(dir, onTestFinished);
    const end = await terminal({ ...waiter, platform }, 'away');
    expect(end).toMatchObject({ state: 'FAILED', exitCode: 7, cause: { code: 'exit-code' } });
    expect(end.finishedAt).toBeLessThan(reopenedAt);
    expect(await wholeLog({ platform }, end.ref, 100)).toBe('begin\nlate\n');
    expect((await platform.list('lane-a', reopenedAt, null)).items).toEqual([end]);
  });

  test('a running job is found again, and stopped after', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const first = await openIn(dir, onTestFinished);
    const { ref } = await running(first, 'found', 'exec sleep 1000');
    await first.close();
    const platform = await openIn(dir, onTestFinished);
    expect(await platform.find('found')).toMatchObject([{ state: 'RUNNING', ref }]);
    await platform.cancel(ref);
    const end = await terminal({ ...waiter, platform }, 'found');
    expect(end).toMatchObject({ state: 'STOPPED', exitCode: 143 });
  });

  test('a stop that was asked for is carried out', async ({ expect, onTestFinished }) => {
    const dir = await dockerDirectory(onTestFinished);
    const first = await openIn(dir, onTestFinished, { slots: 1 });
    const { ref } = await running(first, 'asked', 'exec sleep 1000');
    const waiting = await first.submit(await scriptJob('queued', 'echo never'));
    await first.close();
    for (const asked of [ref, waiting.ref]) await writeFile(join(filesOf(dir, asked), 'stop'), '');
    const platform = await openIn(dir, onTestFinished, { slots: 1 });
    const asked = await terminal({ ...waiter, platform }, 'asked');
    expect(asked).toMatchObject({ state: 'STOPPED', exitCode: 143 });
    const queued = await terminal({ ...waiter, platform }, 'queued');
    expect(queued).toMatchObject({ state: 'STOPPED', startedAt: null, exitCode: null });
  });

  test('a container that somebody removed meanwhile is a lost job', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const first = await openIn(dir, onTestFinished);
    const { ref } = await running(first, 'removed', 'exec sleep 1000');
    await first.close();
    await (await onlyContainer(dir)).remove({ force: true });
    const platform = await openIn(dir, onTestFinished);
    const end = await terminal({ ...waiter, platform }, 'removed');
    expect(end).toMatchObject({ state: 'FAILED', exitCode: null, cause: { code: 'lost' } });
    expect(end.cause.message).toContain('resubmit');
    expect(end.startedAt).toBeGreaterThanOrEqual(end.createdAt);
    const line = 'the end of the output may be missing: somebody removed the container';
    expect(await wholeLog({ platform }, ref, 100)).toBe(`begin\n[caliban: ${line}]\n`);
  });

  test('a container that somebody removes while it runs is a failed job', async ({
    expect,
    onTestFinished,
  }) => {
    const dir = await dockerDirectory(onTestFinished);
    const platform = await openIn(dir, onTestFinished);
    const { ref } = await running(platform, 'removed', 'exec sleep 1000');
    await (await onlyContainer(dir)).remove({ force: true });
    const end = await terminal({ ...waiter, platform }, 'removed');
    expect(end.state).toBe('FAILED');
    // The engine kills it first: that can be seen, or not.
    expect(['lost', 'exit-code']).toContain(end.cause.code);
    expect(await wholeLog({ platform }, ref, 100)).toBe('begin\n');
  });

  test('containers of other services, and of no known job, are left alone', async ({
    expect,
    onTestFinished,
  }) => {
    const [one, other] = [
      await dockerDirectory(onTestFinished),
      await dockerDirectory(onTestFinished),
    ];
    const neighbour = await openIn(other, onTestFinished);
    await running(neighbour, 'same', 'exec sleep 1000');
    const orphan = await (await testEngine).createContainer({
      Image: TEST_BASE_IMAGE,
      Cmd: ['true'],
      Labels: containerLabels(await serviceIdOf(one), await scriptJob('orphan', '')),
    });
    const warnings: unknown[] = [];
    const log = { ...SILENT_LOG, warn: (fields: unknown) => void warnings.push(fields) };
    const platform = await openIn(one, onTestFinished, { log, pollMs: 20 });
    await platform.submit(await scriptJob('same', 'echo mine'));
    const end = await terminal({ ...waiter, platform }, 'same');
    expect(await wholeLog({ platform }, end.ref, 100)).toBe('mine\n');
    expect(await neighbour.find('same')).toMatchObject([{ state: 'RUNNING' }]);
    expect((await orphan.inspect()).State.Status).toBe('created');
    expect(warnings).toEqual([{ ref: 'orphan.1', container: orphan.id }]);
  });
});

/** A service that was killed when it had sent a request that the engine has not got yet. */
async function held(wanted: RegExp, onTestFinished: Cleanup) {
  const dir = await dockerDirectory(onTestFinished);
  const starts = await countStarts(dir, onTestFinished);
  const proxy = await proxyIn(dir, onTestFinished);
  const host = startHost(dir, ['1', '1', SCRIPT], proxy);
  const released = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<void>();
  proxy.before = async (request) => {
    if (!wanted.test(request)) return;
    sent.resolve();
    await released.promise;
  };
  proxy.after = async (request) => {
    if (wanted.test(request)) answered.resolve();
  };
  await sent.promise;
  await kill(host);
  return { dir, starts, release: released.resolve, answered: answered.promise };
}

async function proxyIn(dir: string, onTestFinished: Cleanup): Promise<EngineProxy> {
  const proxy = await openEngineProxy(dir);
  onTestFinished(() => proxy.close());
  return proxy;
}

function startHost(dir: string, args: readonly string[], proxy?: EngineProxy) {
  return spawn(process.execPath, [HOST, dir, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(proxy === undefined ? {} : { DOCKER_HOST: proxy.host }) },
  });
}

/** Kills a service at the last of these requests, which come in this order. */
async function diesAt(
  host: ChildProcess,
  proxy: EngineProxy,
  at: { readonly when: 'before' | 'after'; readonly requests: readonly RegExp[] },
): Promise<void> {
  const exited = once(host, 'exit');
  const wanted = [...at.requests];
  proxy[at.when] = async (request) => {
    if (wanted[0]?.test(request) !== true) return;
    wanted.shift();
    if (wanted.length > 0) return;
    host.kill('SIGKILL');
    await exited;
  };
  await exited;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** Submits a script and waits until it has printed its first line. */
async function running(
  platform: DockerPlatform,
  jobId: string,
  script: string,
): Promise<{ readonly ref: string }> {
  const { ref } = await platform.submit(await scriptJob(jobId, `echo begin; ${script}`));
  await eventually(waiter, async () => {
    const [seen] = await platform.find(jobId);
    const { text } = await platform.readLog(ref, '', 100);
    return seen?.state === 'RUNNING' && text.includes('begin') ? true : undefined;
  });
  return { ref };
}

/** Waits until a directory has no container any more. */
function empty(dir: string): Promise<true> {
  return eventually(waiter, async () =>
    (await containersOf(dir)).length === 0 ? true : undefined,
  );
}
