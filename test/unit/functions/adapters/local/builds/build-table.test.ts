import { setImmediate } from 'node:timers/promises';
import { describe, test } from 'vitest';
import type { BuildFailure } from '../../../../../../functions/adapters/images/build-failure.ts';
import {
  type BuildTask,
  createBuildTable,
} from '../../../../../../functions/adapters/local/builds/build-table.ts';
import { AppError } from '../../../../../../shared/errors/app-error.ts';
import { NO_DEPENDENCIES } from '../../../../../contract/image-builder.ts';
import { SILENT_LOG } from '../../../../../doubles/logs.ts';
import { createManualClock } from '../../../../../doubles/manual-clock.ts';

describe('createBuildTable', () => {
  test('more builds than may run wait, and the next begins when one ends', async ({ expect }) => {
    const { table, start, running, end } = opened();
    for (const key of ['a', 'b', 'c']) await start(key);
    await until(() => running().length === 2);
    expect(running()).toEqual(['a', 'b']);
    expect(await table.poll('c', 1)).toEqual({ state: 'building' });
    end('a', null);
    await until(() => running().includes('c'));
    expect(await table.poll('a', 1)).toEqual({ state: 'ready' });
    await table.close();
  });

  test('a build that waits is cancelled at once, and never begins', async ({ expect }) => {
    const { table, start, running, end, begun, discarded } = opened();
    for (const key of ['a', 'b', 'c']) await start(key);
    await table.cancel('c', 1);
    expect(await table.poll('c', 1)).toMatchObject({ state: 'failed', retryable: true });
    end('a', null);
    await until(() => running().length === 1);
    await start('c', 2);
    await until(() => running().includes('c'));
    expect(begun).toEqual(['a', 'b', 'c']);
    // Its turn, when it came, must not remove what a later attempt made.
    expect(discarded).toEqual(['c']);
    await table.close();
  });

  test('a build that takes too long ends, and may be tried again', async ({ expect }) => {
    const { table, start, discarded } = opened({ timeoutMs: 20 });
    await start('a');
    await until(async () => (await table.poll('a', 1)).state !== 'building');
    expect(await table.poll('a', 1)).toMatchObject({
      state: 'failed',
      message: expect.stringContaining('timeout'),
      retryable: true,
    });
    expect(discarded).toEqual(['a']);
  });

  test('what is thrown may be tried again where that can help', async ({ expect }) => {
    for (const [error, retryable] of [
      [new AppError('STORE_BUSY', 'Busy.', { hint: 'Wait.' }), true],
      [new AppError('BUILD_FAILED', 'Wrong.'), false],
      [new Error('disk'), true],
    ] as const) {
      const { table, start, clock } = opened({ throws: error });
      await start('a');
      await until(async () => (await table.poll('a', 1)).state !== 'building');
      expect(await table.poll('a', 1)).toEqual({
        state: 'failed',
        failedAt: clock.now(),
        message: `The build was not finished: ${error.message}`,
        hint: ('hint' in error ? error.hint : undefined) ?? null,
        retryable,
      });
    }
  });

  test('a build that the machine had nothing to spare for is begun again, and has not failed', async ({
    expect,
  }) => {
    const lacking = Object.assign(new Error('spawn sh EAGAIN'), { code: 'EAGAIN' });
    const warned: unknown[] = [];
    const warn = (fields: unknown) => void warned.push(fields);
    const { table, start, begun, discarded } = opened({ throws: lacking, warn });
    for (const tries of [1, 2]) {
      await start('a');
      await until(async () => (await table.poll('a', 1)).state !== 'building');
      expect(await table.poll('a', 1)).toEqual({ state: 'absent' });
      expect(begun).toHaveLength(tries);
    }
    expect(discarded).toEqual(['a', 'a']);
    expect(warned).toEqual(Array(2).fill({ err: lacking, key: 'a' }));
  });

  test('the next attempt begins when the one before has ended', async ({ expect }) => {
    const { table, start, running, begun, discarded } = opened();
    await start('a');
    await until(() => running().length === 1);
    await start('a', 2);
    await start('a', 1);
    await until(() => begun.length === 2);
    await start('a', 2);
    for (let turn = 0; turn < 5; turn++) await setImmediate();
    expect(discarded).toEqual(['a']);
    expect(running()).toEqual(['a']);
    expect(await table.poll('a', 1)).toEqual({ state: 'absent' });
    expect(await table.poll('a', 2)).toEqual({ state: 'building' });
    await table.close();
  });

  test('a build that says it is done, with nothing there, is not ready', async ({ expect }) => {
    const { table, start, end, running } = opened({ makesNothing: true });
    await start('a');
    await until(() => running().length === 1);
    end('a', null);
    await until(async () => (await table.poll('a', 1)).state !== 'building');
    expect(await table.poll('a', 1)).toEqual({ state: 'absent' });
  });

  test('what was made and is gone is made again, also by the same attempt', async ({ expect }) => {
    const { table, start, end, running, begun, made } = opened();
    await start('a');
    await until(() => running().length === 1);
    end('a', null);
    await until(() => made.has('a'));
    made.delete('a');
    await until(async () => (await table.poll('a', 1)).state === 'absent');
    await start('a');
    expect(await table.poll('a', 1)).toEqual({ state: 'building' });
    await until(() => begun.length === 2);
    await table.close();
  });

  test('an attempt that failed begins anew, and one before it does not', async ({ expect }) => {
    const { table, start, end, running, begun, clock } = opened();
    await start('a', 2);
    await until(() => running().length === 1);
    end('a', { message: 'No.', hint: null, retryable: false });
    await until(async () => (await table.poll('a', 2)).state === 'failed');
    expect(await table.poll('a', 2)).toMatchObject({ failedAt: clock.now() });
    await start('a', 1);
    expect(await table.poll('a', 2)).toMatchObject({ state: 'failed' });
    await start('a', 2);
    await until(() => running().length === 1);
    expect(begun).toEqual(['a', 'a']);
    await table.close();
  });

  test('what makes it does not answer: as if it had never begun', async ({ expect }) => {
    const { table, start, begun, discarded } = opened({
      throws: new AppError('UNAVAILABLE', 'The engine is away.'),
    });
    await start('a');
    await until(async () => (await table.poll('a', 1)).state !== 'building');
    expect(await table.poll('a', 1)).toEqual({ state: 'absent' });
    expect(discarded).toEqual(['a']);
    await start('a');
    await until(() => begun.length === 2);
    await table.close();
  });

  test('a build that nobody asks for is ended after three minutes, the others go on', async ({
    expect,
  }) => {
    const { table, start, running, discarded, clock } = opened();
    for (const key of ['a', 'b', 'c']) await start(key);
    await until(() => running().length === 2);
    for (let minute = 0; minute < 2; minute++) {
      await table.poll('a', 1);
      await clock.advance(60_000);
    }
    expect(running()).toEqual(['a', 'b']);
    await table.poll('a', 1);
    await clock.advance(60_000);
    expect(running()).toEqual(['a']);
    expect(discarded.toSorted()).toEqual(['b', 'c']);
    for (const key of ['b', 'c']) expect(await table.poll(key, 1)).toEqual({ state: 'absent' });
    expect(await table.poll('a', 1)).toEqual({ state: 'building' });
    await table.close();
  });

  test('a failure that nobody asks for is forgotten, and nothing is left of it', async ({
    expect,
  }) => {
    const { table, start, end, running, clock } = opened();
    await start('a');
    await until(() => running().length === 1);
    end('a', { message: 'No.', hint: null, retryable: false });
    await clock.advance(120_000);
    expect(await table.poll('a', 1)).toMatchObject({ state: 'failed' });
    await clock.advance(180_000);
    expect(await table.poll('a', 1)).toEqual({ state: 'absent' });
    expect(clock.sleeping()).toBe(0);
  });

  test('nothing sleeps on when builds are over, replaced or closed', async ({ expect }) => {
    const { table, start, end, running, clock } = opened();
    for (const key of ['a', 'b']) await start(key);
    await until(() => running().length === 2);
    await start('b', 2);
    end('a', null);
    await until(async () => (await table.poll('a', 1)).state === 'ready');
    expect(clock.sleeping()).toBe(1);
    await table.close();
    expect(clock.sleeping()).toBe(0);
  });
});

/** A table of two builds at a time, each of which ends when the test says so, or when it is cancelled. */
function opened(
  options: {
    readonly timeoutMs?: number;
    readonly makesNothing?: boolean;
    readonly throws?: Error;
    readonly warn?: (fields: unknown) => void;
  } = {},
) {
  const tasks = new Map<string, (failure: BuildFailure | null) => void>();
  const begun: string[] = [];
  const made = new Set<string>();
  const discarded: string[] = [];
  const clock = createManualClock();
  const build = async ({ key, signal }: BuildTask): Promise<BuildFailure | null> => {
    begun.push(key);
    if (options.throws !== undefined) throw options.throws;
    const { promise, resolve, reject } = Promise.withResolvers<BuildFailure | null>();
    tasks.set(key, resolve);
    signal.addEventListener('abort', () => reject(signal.reason));
    const failure = await promise.finally(() => tasks.delete(key));
    if (failure === null && options.makesNothing !== true) made.add(key);
    return failure;
  };
  const table = createBuildTable({
    dir: '/nonexistent',
    clock,
    log: { ...SILENT_LOG, warn: options.warn ?? console.warn, error: console.error },
    concurrency: 2,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    isReady: async (key) => made.has(key),
    build,
    discard: async (key) => void discarded.push(key),
  });
  return {
    table,
    begun,
    made,
    clock,
    discarded,
    start: (key: string, attempt = 1) =>
      table.start({ key, attempt, dependencies: NO_DEPENDENCIES }),
    running: () => [...tasks.keys()],
    end: (key: string, failure: BuildFailure | null) => tasks.get(key)?.(failure),
  };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await setImmediate();
}
