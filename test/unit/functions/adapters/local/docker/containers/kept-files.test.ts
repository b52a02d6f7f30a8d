import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, type TestContext, test } from 'vitest';
import { aSpec } from '../../../../../../../functions/adapters/local/attempts/attempt-record.ts';
import { newDockerAttempt } from '../../../../../../../functions/adapters/local/docker/containers/docker-attempt.ts';
import { createKeptFiles } from '../../../../../../../functions/adapters/local/docker/containers/kept-files.ts';
import { EngineRefusal } from '../../../../../../../functions/adapters/local/docker/engine/engine-call.ts';
import { temporaryDirectory } from '../../../../../../adapters/temporary-directory.ts';
import { aPlatformJob } from '../../../../../../doubles/a-platform-job.ts';
import { SILENT_LOG } from '../../../../../../doubles/logs.ts';
import { createManualClock } from '../../../../../../doubles/manual-clock.ts';
import { aFile, aTar } from '../../../../../../doubles/tar-builder.ts';

describe('the files of a container', () => {
  test('are waited for an hour while the disk is full, and then done without', async ({
    expect,
    onTestFinished,
  }) => {
    const world = aWorld(onTestFinished, () => {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    });
    for (let minute = 0; minute < 59; minute++) {
      expect(await world.keep()).toBe(false);
      await world.clock.advance(60_000);
    }
    expect([world.lines, existsSync(`${world.work}.tmp`)]).toEqual([[], false]);
    await world.clock.advance(60_000);
    expect(await world.keep()).toBe(true);
    expect(world.lines).toEqual(['the files of the job were not kept: no space left on device']);
  });

  test('are tried again with growing waits, five times', async ({ expect, onTestFinished }) => {
    let asked = 0;
    const world = aWorld(onTestFinished, () => {
      asked += 1;
      throw new EngineRefusal(500, 'device busy', null);
    });
    expect([await world.keep(), await world.keep(), asked]).toEqual([false, false, 1]);
    for (let i = 0; i < 30 && !(await world.keep()); i++) await world.clock.advance(1000);
    expect(asked).toBe(5);
    expect(world.lines).toEqual(['the files of the job were not kept: device busy']);
    expect(await world.keep()).toBe(true);
    expect(asked).toBe(5);
  });

  test('that were kept before a crash stay, and the log says nothing, when the container is gone', async ({
    expect,
    onTestFinished,
  }) => {
    const world = aWorld(onTestFinished, () => {
      throw new EngineRefusal(404, 'No such container', null);
    });
    mkdirSync(world.work);
    writeFileSync(join(world.work, 'kept'), 'kept');
    expect(await world.keep()).toBe(true);
    expect(readFileSync(join(world.work, 'kept'), 'utf8')).toBe('kept');
    expect(world.lines).toEqual([]);
  });

  test('replace what a crash left of an earlier try', async ({ expect, onTestFinished }) => {
    const world = aWorld(onTestFinished, () => Readable.from([aTar(aFile('new', 'new'))]));
    for (const old of [world.work, `${world.work}.tmp`]) {
      mkdirSync(old);
      writeFileSync(join(old, 'old'), 'old');
    }
    expect(await world.keep()).toBe(true);
    expect(readFileSync(join(world.work, 'new'), 'utf8')).toBe('new');
    expect([existsSync(join(world.work, 'old')), existsSync(`${world.work}.tmp`)]).toEqual([
      false,
      false,
    ]);
  });

  test('that take long hold up no look, and are looked at when they are there', async ({
    expect,
    onTestFinished,
  }) => {
    const stream = new Readable({ read: () => undefined });
    const world = aWorld(onTestFinished, () => stream);
    expect(await world.clock.until(world.keep())).toBe(false);
    expect(world.looks()).toBe(0);
    stream.push(aTar(aFile('new', 'new')));
    await world.settled();
    expect([world.looks(), await world.keep()]).toEqual([1, true]);
  });

  test('are left where they are when the service closes', async ({ expect, onTestFinished }) => {
    const world = aWorld(onTestFinished, () => {
      world.close();
      throw new Error('aborted');
    });
    expect([await world.keep(), await world.keep()]).toEqual([false, false]);
    expect(world.lines).toEqual([]);
  });
});

/** One attempt whose container has the new file `/usr/app/new`, as far as `archive` gives it. */
function aWorld(onTestFinished: TestContext['onTestFinished'], archive: () => Readable) {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const clock = createManualClock();
  const closing = new AbortController();
  const attempt = newDockerAttempt('job1.1', aSpec(aPlatformJob(), 1, 0));
  const lines: string[] = [];
  const work: Promise<void>[] = [];
  let looks = 0;
  const kept = createKeptFiles({
    files: { directory: () => path },
    containers: {
      changes: async () => [{ path: '/usr/app/new', kind: 'added' }],
      archive: async () => archive(),
    },
    output: { conclude: async (_, text) => void lines.push(text) },
    limits: { bytes: 1000, count: 10 },
    clock,
    log: SILENT_LOG,
    closing: closing.signal,
    inBackground: (_, promise) => void work.push(promise),
    onKept: () => {
      looks += 1;
    },
  });
  return {
    clock,
    lines,
    work: join(path, 'work'),
    looks: () => looks,
    keep: () => kept.keep(attempt, 'c1'),
    settled: () => Promise.all(work),
    close: () => closing.abort(),
  };
}
