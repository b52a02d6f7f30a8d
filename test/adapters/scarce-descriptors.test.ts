import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, type TestContext, test } from 'vitest';
import * as z from 'zod';
import { errorBody } from '../../shared/api/error.ts';
import { jobView } from '../../shared/api/jobs.ts';
import { aSpec } from '../doubles/a-spec.ts';
import { caliban, type OneMachine, startOneMachine } from '../doubles/one-machine.ts';
import { aFile, aLayer, aTar } from '../doubles/tar-builder.ts';
import { canLimit, leaveDescriptors, takeDescriptors } from '../fixtures/descriptors.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const CHILD = fileURLToPath(new URL('./scarce-child.ts', import.meta.url));

describe.runIf(process.platform === 'linux')('a process that can open no more files', () => {
  test.for([
    ['commit', 0, 'HOST_BUSY'],
    ['commit', 5, 'HOST_BUSY'],
    ['attempt', 0, 'quota'],
    ['spawn', 0, 'EMFILE'],
    ['build', 0, 'EMFILE'],
    ['python', 0, 'HOST_BUSY'],
    ['look', 0, 'EMFILE'],
  ] as const)('is told so by %s with %d left, and can later', async ([task, left, code], t) => {
    const { path, remove } = temporaryDirectory();
    t.onTestFinished(remove);
    const words = ['-c', 'ulimit -n 48; exec "$@"', 'sh', process.execPath, CHILD];
    const { stdout } = await promisify(execFile)('sh', [...words, task, path, String(left)]);
    t.expect(JSON.parse(stdout)).toEqual([code, 'done']);
  });
});

describe.runIf(canLimit())('a service that can open no more files for a while', () => {
  test.for([0, 1, 2])(
    'with %d left, loses nothing it accepted, and says what to do about the rest',
    {
      timeout: 120_000,
    },
    async (left, t) => {
      const { service, runs, line } = await aService(t);
      const code = aLayer(aTar(aFile('usr/app/train.py'))).declaration.diffId;
      const spec = aSpec({
        command: ['sh', '-c', `echo "$2" >> '${runs}'`, 'job'],
        codeLayers: [code],
        config: JSON.stringify({ n: [10, 11] }),
      });
      const submit = () => line.send('/v1/submissions', spec, { 'Idempotency-Key': 'second' });
      const other = aLayer(aTar(aFile('usr/app/other.py')));
      const pid = service.process.pid ?? 0;
      const giveBack = left === 0 ? takeDescriptors(pid) : leaveDescriptors(pid, left);
      for (const answer of [await submit(), await line.send('/v1/layers', other.declaration)]) {
        if (left === 0 || answer.status >= 400) expectBusy(t, answer);
      }
      // With some left all may go well.
      const isOver = async () =>
        logged(service, 'EMFILE') > 0 ||
        (await line.jobs()).every((job) => job.state === 'SUCCEEDED');
      await t.expect.poll(isOver, { timeout: 30_000 }).toBe(true);
      for (const { state } of await line.jobs()) t.expect(state).not.toBe('FAILED');
      giveBack();
      await submit();
      await expectRunOnce(t, service, { runs, numbers: ['0', '10', '11'] });
    },
  );

  test('takes no job that runs for dead, and starts the next when it can', {
    timeout: 120_000,
  }, async (t) => {
    const { service, runs, line, root } = await aService(t);
    const go = join(root, 'go');
    const script = `echo "$2" >> '${runs}'; until [ -e '${go}' ]; do sleep 0.1; done`;
    await service.submit({ script, count: 1, key: 'second', changes: { config: '{"n": [10]}' } });
    await service.until(1, 'RUNNING');
    await service.submit({ script, count: 1, key: 'third', changes: { config: '{"n": [11]}' } });
    await service.until(1, 'SUBMITTED');
    const giveBack = takeDescriptors(service.process.pid ?? 0);
    const words = 'work on a process failed; it is tried again';
    await t.expect.poll(() => logged(service, words), { timeout: 30_000 }).toBeGreaterThan(2);
    const states = (await line.jobs()).map((job) => [job.flags[1], job.state]);
    t.expect(Object.fromEntries(states)).toEqual({
      0: 'SUCCEEDED',
      10: 'RUNNING',
      11: 'SUBMITTED',
    });
    giveBack();
    writeFileSync(go, '');
    await expectRunOnce(t, service, { runs, numbers: ['0', '10', '11'] });
  });
});

/** A service with one slot that has run a job, so that what is made once is made, and a connection to it. */
async function aService(t: TestContext) {
  const { path: root, remove } = temporaryDirectory();
  t.onTestFinished(remove);
  const service = await startOneMachine(t.onTestFinished, join(root, 'data'), { slots: 1 });
  const runs = join(root, 'runs');
  await service.submit({ script: `echo "$2" >> '${runs}'`, count: 1, key: 'first' });
  await service.until(1, 'SUCCEEDED');
  const line = aKeptConnection(t, service);
  await line.jobs();
  return { service, runs, root, line };
}

async function expectRunOnce(
  t: TestContext,
  service: OneMachine,
  { runs, numbers }: { readonly runs: string; readonly numbers: readonly string[] },
): Promise<void> {
  await service.until(numbers.length, 'SUCCEEDED');
  const lines = readFileSync(runs, 'utf8').trim().split('\n');
  t.expect(lines.toSorted()).toEqual(numbers);
  const check = await caliban(['admin', 'check', '--layers', '--data_dir', service.dataDir]);
  t.expect(check.stdout).toMatch(/nothing differs\n$/);
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: unknown;
}

function expectBusy(t: TestContext, { status, retryAfter, body }: Answer): void {
  const { error } = errorBody.parse(body);
  t.expect([status, error.code]).toEqual([503, 'HOST_BUSY']);
  t.expect(error.message).toContain('EMFILE');
  t.expect(Number(retryAfter)).toBeGreaterThan(0);
}

function logged({ dataDir }: OneMachine, words: string): number {
  return readFileSync(join(dataDir, 'logs', 'service.log'), 'utf8').split(words).length - 1;
}

/** Requests over one connection: a service without descriptors can take no new one. */
function aKeptConnection({ onTestFinished }: TestContext, { address, token }: OneMachine) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  async function send(path: string, body?: unknown, headers: Record<string, string> = {}) {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const asked = request(`${address}${path}`, {
      agent,
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/json',
        ...headers,
      },
    });
    asked.once('response', resolve);
    asked.once('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const answer = await promise;
    const read: Answer = {
      status: answer.statusCode ?? 0,
      retryAfter: answer.headers['retry-after'],
      body: await json(answer),
    };
    return read;
  }
  return {
    send,
    async jobs() {
      const { body } = await send('/v1/jobs?limit=500');
      return z.object({ jobs: z.array(jobView) }).parse(body).jobs;
    },
  };
}
