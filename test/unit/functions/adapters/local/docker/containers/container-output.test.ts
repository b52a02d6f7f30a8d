import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, test, vi } from 'vitest';
import { openAttemptFiles } from '../../../../../../../functions/adapters/local/attempts/attempt-files.ts';
import { aSpec } from '../../../../../../../functions/adapters/local/attempts/attempt-record.ts';
import { createContainerOutput } from '../../../../../../../functions/adapters/local/docker/containers/container-output.ts';
import type { Containers } from '../../../../../../../functions/adapters/local/docker/containers/containers.ts';
import { newDockerAttempt } from '../../../../../../../functions/adapters/local/docker/containers/docker-attempt.ts';
import { EngineRefusal } from '../../../../../../../functions/adapters/local/docker/engine/engine-call.ts';
import { aPlatformJob } from '../../../../../../doubles/a-platform-job.ts';
import { frame, keptOf } from '../../../../../../doubles/engine-output.ts';
import { SILENT_LOG } from '../../../../../../doubles/logs.ts';

const PRINTED = Buffer.from('one\ntwo\n');

describe('the log of a container that has exited', () => {
  test('is what was caught, when that lasted to the exit', async ({ expect, onTestFinished }) => {
    const { output, attempt, log, replays } = await aBench(onTestFinished, { caught: 8, at: 500 });
    await output.attach(attempt, 'c1');
    expect(await output.complete(attempt, exitedAt(500))).toBe(true);
    expect(await log()).toBe('one\ntwo\n');
    expect(replays()).toBe(0);
  });

  test('is completed from the engine’s copy, when an engine died in between', async ({
    expect,
    onTestFinished,
  }) => {
    const { output, attempt, log, replays } = await aBench(onTestFinished, { caught: 5, at: 500 });
    await output.attach(attempt, 'c1');
    expect(await output.complete(attempt, exitedAt(501))).toBe(true);
    expect(await log()).toBe('one\ntwo\n');
    expect(replays()).toBe(1);
  });

  test('is read from the copy alone, when nothing was caught', async ({
    expect,
    onTestFinished,
  }) => {
    const { output, attempt, log } = await aBench(onTestFinished, { caught: 0, at: 500 });
    expect(await output.complete(attempt, exitedAt(500))).toBe(true);
    expect(await log()).toBe('one\ntwo\n');
  });

  test('waits for somebody else’s removal of the container to end, but not for ever', async ({
    expect,
    onTestFinished,
  }) => {
    const refusal = new EngineRefusal(409, 'marked for removal', undefined);
    const set = { caught: 0, at: 500, refusal };
    const { output, attempt, log } = await aBench(onTestFinished, set);
    for (let look = 1; look < 60; look++) {
      expect(await output.complete(attempt, exitedAt(500))).toBe(false);
    }
    // It got stuck: the job ends all the same.
    expect(await output.complete(attempt, exitedAt(500))).toBe(true);
    expect(await log()).toContain('the end of the output is missing: marked for removal');
  });

  test('says that its end is missing when the container is gone, or the copy cannot be read', async ({
    expect,
    onTestFinished,
  }) => {
    const gone = new EngineRefusal(404, 'no such container', undefined);
    const one = await aBench(onTestFinished, { caught: 5, at: 500, refusal: gone });
    await one.output.attach(one.attempt, 'c1');
    expect(await one.output.complete(one.attempt, exitedAt(600))).toBe(true);
    const missing = (why: string) => `[caliban: the end of the output is missing: ${why}]\n`;
    expect(await one.log()).toBe(`one\nt\n${missing('no such container')}`);
    expect(one.warnings).toEqual(['the end of a log is missing']);
    const damaged = new EngineRefusal(500, 'unexpected EOF', undefined);
    const other = await aBench(onTestFinished, { caught: 0, at: 500, refusal: damaged });
    for (let turn = 0; turn < 4; turn++) {
      await expect(other.output.complete(other.attempt, exitedAt(600))).rejects.toThrow(damaged);
    }
    expect(await other.output.complete(other.attempt, exitedAt(600))).toBe(true);
    expect(await other.log()).toBe(missing('unexpected EOF'));
    expect(await other.output.complete(other.attempt, exitedAt(600))).toBe(true);
    expect(await other.log()).toBe(missing('unexpected EOF'));
  });

  test('may lack its end when somebody removed the container, unless it was caught to the end', async ({
    expect,
    onTestFinished,
  }) => {
    const line =
      '[caliban: the end of the output may be missing: somebody removed the container]\n';
    const { output, attempt, log } = await aBench(onTestFinished, { caught: 8, at: 500 });
    await output.attach(attempt, 'c1');
    await output.giveUp(attempt);
    expect(await log()).toBe('one\ntwo\n');
    const other = await aBench(onTestFinished, { caught: 0, at: 500 });
    await other.output.giveUp(other.attempt);
    expect(await other.log()).toBe(line);
  });

  test('of which the engine dropped the beginning has the rest, and says so', async ({
    expect,
    onTestFinished,
  }) => {
    const before = Buffer.from('zero\n');
    const set = { caught: 0, at: 500, before };
    const { output, attempt, log } = await aBench(onTestFinished, set);
    await output.attach(attempt, 'c1');
    expect(await output.complete(attempt, exitedAt(600))).toBe(true);
    expect(await log()).toBe(
      'zero\n[caliban: output is missing here, or comes twice: the engine dropped the beginning of its copy]\none\ntwo\n',
    );
  });

  test('that is full is not read from the copy', async ({ expect, onTestFinished }) => {
    const before = Buffer.from('x'.repeat(1001));
    const { output, attempt, log, replays } = await aBench(onTestFinished, {
      ...{ caught: 0, at: 500, before },
    });
    await output.attach(attempt, 'c1');
    expect(await output.complete(attempt, exitedAt(600))).toBe(true);
    expect(await log()).toMatch(
      /^x{1000}\n\[caliban: the log has reached its limit of 1000 bytes;/,
    );
    expect(replays()).toBe(0);
  });
});

describe('the copying of an output that breaks off', () => {
  test('is told once, but not for an engine that is gone or a service that closes', async ({
    expect,
    onTestFinished,
  }) => {
    const { output, attempt, warnings, settled } = await aBench(onTestFinished, {
      ...{ caught: 0, at: 500, broken: new Error('no frame') },
    });
    for (let again = 0; again < 3; again++) {
      await output.attach(attempt, 'c1');
      await settled();
    }
    expect(warnings).toEqual(['the copying of an output broke off; it is taken up again']);
    const reset = Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    const away = await aBench(onTestFinished, { caught: 0, at: 500, broken: reset });
    await away.output.attach(away.attempt, 'c1');
    await away.settled();
    expect(away.warnings).toEqual([]);
    const other = await aBench(onTestFinished, {
      ...{ caught: 0, at: 500, broken: new Error('no frame') },
    });
    other.close();
    await other.output.attach(other.attempt, 'c1');
    await other.settled();
    expect(other.warnings).toEqual([]);
  });
});

function exitedAt(finishedAt: number) {
  const facts = {
    id: 'c1',
    name: 'c1',
    createdAt: 1,
    labels: {},
    status: 'exited',
    startedAt: 1,
    error: '',
  };
  return { ...facts, finishedAt, exitCode: 0, outOfMemory: false };
}

/** An attempt whose program prints PRINTED; the engine's stream brings `caught` bytes of it and ends at a time. */
async function aBench(
  onTestFinished: (work: () => Promise<void>) => void,
  set: {
    readonly caught: number;
    readonly at: number;
    readonly refusal?: EngineRefusal;
    /** What the stream brings before that, and the engine did not keep. */
    readonly before?: Buffer;
    /** How the stream ends. */
    readonly broken?: Error;
  },
) {
  const dir = await mkdtemp(join(tmpdir(), 'caliban-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const files = await openAttemptFiles(dir);
  const attempt = newDockerAttempt('job1.1', aSpec(aPlatformJob(), 1, 0));
  await mkdir(files.directory(attempt.ref), { recursive: true });
  let replays = 0;
  const notAsked = () => Promise.reject(new Error('not asked'));
  const containers: Containers = {
    list: notAsked,
    inspect: notAsked,
    create: notAsked,
    start: notAsked,
    kill: notAsked,
    remove: notAsked,
    rename: notAsked,
    remembersMaking: notAsked,
    changes: notAsked,
    archive: notAsked,
    hasEntrypoint: notAsked,
    attach: async () => Readable.from(caught(set)),
    replay: async () => {
      replays += 1;
      if (set.refusal !== undefined) throw set.refusal;
      return Readable.from(keptOf(PRINTED, true).map((bytes) => frame(1, bytes)));
    },
  };
  const closing = new AbortController();
  const warnings: string[] = [];
  const warn = (_: unknown, message: string) => void warnings.push(message);
  const output = createContainerOutput({
    files,
    containers,
    maxLogBytes: 1000,
    // The engine has ended its stream long before anybody has waited.
    clock: { now: () => set.at, sleep: () => new Promise(() => undefined) },
    log: { ...SILENT_LOG, warn, error: warn },
    closing: closing.signal,
    onOutputEnd: () => undefined,
  });
  const log = async () => String(await readFile(join(files.directory(attempt.ref), 'log')));
  const settled = () => vi.waitUntil(() => attempt.capture === null, { timeout: 20_000 });
  const close = () => closing.abort();
  return { output, attempt, log, warnings, close, settled, replays: () => replays };
}

async function* caught(set: {
  readonly caught: number;
  readonly before?: Buffer;
  readonly broken?: Error;
}): AsyncGenerator<Buffer, void> {
  if (set.before !== undefined) yield frame(1, set.before);
  yield frame(1, PRINTED.subarray(0, set.caught));
  if (set.broken !== undefined) throw set.broken;
}
