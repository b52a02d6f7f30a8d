import { setImmediate } from 'node:timers/promises';
import { describe, test } from 'vitest';
import type { BuildFailure } from '../../../../../../functions/adapters/local/builds/build-failure.ts';
import {
  type BuildTask,
  createBuildTable,
} from '../../../../../../functions/adapters/local/builds/build-table.ts';
import { AppError } from '../../../../../../shared/errors/app-error.ts';
import { NO_DEPENDENCIES } from '../../../../../contract/image-builder.ts';
import { SILENT_LOG } from '../../../../../doubles/logs.ts';

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
      [new AppError('UNAVAILABLE', 'Gone.', { hint: 'Wait.' }), true],
      [new AppError('BUILD_FAILED', 'Wrong.'), false],
      [new Error('disk'), true],
    ] as const) {
      const { table, start } = opened({ throws: error });
      await start('a');
      await until(async () => (await table.poll('a', 1)).state !== 'building');
      expect(await table.poll('a', 1)).toEqual({
        state: 'failed',
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
