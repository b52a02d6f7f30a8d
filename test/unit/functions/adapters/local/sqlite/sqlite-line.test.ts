import { setImmediate } from 'node:timers/promises';
import { type TestContext, test, vi } from 'vitest';
import type {
  WireCommit,
  WireOutcome,
} from '../../../../../../functions/adapters/local/sqlite/sqlite-commit-program.ts';
import { StoreLine } from '../../../../../../functions/adapters/local/sqlite/sqlite-line.ts';
import { LIMITS } from '../../../../../../shared/api/limits.ts';
import { AppError } from '../../../../../../shared/errors/app-error.ts';
import { createManualClock } from '../../../../../doubles/manual-clock.ts';

const clock = createManualClock(0);

function aCommit(name: string, rows = 1): WireCommit {
  const write = { collection: 'jobs', id: name, expect: null, row: null };
  return { now: 0, writes: Array.from({ length: rows }, () => write) };
}

const nameOf = (commit: WireCommit): string => commit.writes[0]?.id ?? '';

/** A line whose groups are written down; `fails` says which do. */
function aLine(fails: (names: readonly string[]) => unknown = () => undefined) {
  const groups: string[][] = [];
  const line = new StoreLine(clock, {
    ready: async () => undefined,
    async commit(commits): Promise<readonly WireOutcome[]> {
      const names = commits.map(nameOf);
      groups.push(names);
      await setImmediate();
      const error = fails(names);
      if (error !== undefined) throw error;
      return names.map((_, at) => ({ at }));
    },
  });
  return { line, groups };
}

test('what comes while a group is written is the next group', async ({ expect }) => {
  const { line, groups } = aLine();
  const first = ['a', 'b'].map((name) => line.commit(aCommit(name), 'wait'));
  await vi.waitUntil(() => groups.length === 1);
  const second = ['c', 'd', 'e'].map((name) => line.commit(aCommit(name), 'wait'));
  expect(await Promise.all([...first, ...second])).toHaveLength(5);
  expect(groups).toEqual([
    ['a', 'b'],
    ['c', 'd', 'e'],
  ]);
});

test('a group has a thousand rows at most, a commit of more goes alone', async ({ expect }) => {
  const { line, groups } = aLine();
  const commits = [aCommit('a', 500), aCommit('b', 500), aCommit('c'), aCommit('d', 2_000)];
  await Promise.all(commits.map((commit) => line.commit(commit, 'wait')));
  expect(groups).toEqual([['a', 'b'], ['c'], ['d']]);
});

test('of a group that fails each gets its own answer', async ({ expect }) => {
  const { line, groups } = aLine((names) =>
    names.includes('b') ? new Error('too big') : undefined,
  );
  const commits = ['a', 'b', 'c'].map((name) => line.commit(aCommit(name), 'wait'));
  expect(await Promise.allSettled(commits)).toMatchObject([
    { status: 'fulfilled' },
    { status: 'rejected', reason: { message: 'too big' } },
    { status: 'fulfilled' },
  ]);
  expect(groups).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c']]);
});

test('who cannot wait does not stand behind a long write; who is in it has its outcome', async ({
  expect,
}) => {
  const written = Promise.withResolvers<void>();
  const line = new StoreLine(clock, {
    ready: async () => undefined,
    async commit(commits) {
      await written.promise;
      return commits.map((_, at) => ({ at }));
    },
  });
  const first = [line.commit(aCommit('a'), 'wait'), line.commit(aCommit('b'), 'now-or-never')];
  await setImmediate();
  const patient = line.commit(aCommit('c'), 'wait');
  const busy = { code: 'STORE_BUSY', message: expect.stringContaining('right now') };
  await expect(line.commit(aCommit('d'), 'now-or-never')).rejects.toMatchObject(busy);
  written.resolve();
  expect(await Promise.all([...first, patient])).toHaveLength(3);
});

test('while the log is copied nothing is begun: who cannot wait gives up', async ({ expect }) => {
  const copied = Promise.withResolvers<void>();
  const line = new StoreLine(clock, {
    ready: () => copied.promise,
    commit: async (commits) => commits.map((_, at) => ({ at })),
  });
  const patient = line.commit(aCommit('a'), 'wait');
  const busy = { code: 'STORE_BUSY' };
  await expect(line.commit(aCommit('b'), 'now-or-never')).rejects.toMatchObject(busy);
  copied.resolve();
  expect(await patient).toEqual({ at: 0 });
});

test('of a group whose fate nobody knows none is written again; who came meanwhile is the next', async ({
  expect,
}) => {
  const lost = new AppError('UNAVAILABLE', 'Nobody knows.');
  const { line, groups } = aLine((names) => (names.includes('a') ? lost : undefined));
  const first = Promise.allSettled(['a', 'b'].map((name) => line.commit(aCommit(name), 'wait')));
  await vi.waitUntil(() => groups.length === 1);
  const later = line.commit(aCommit('c'), 'wait');
  expect(await first).toEqual(Array(2).fill({ status: 'rejected', reason: lost }));
  expect(await later).toEqual({ at: 0 });
  expect(groups).toEqual([['a', 'b'], ['c']]);
});

test('one of those that are written alone may have an unknown fate; the others have their own', async ({
  expect,
}) => {
  const lost = new AppError('UNAVAILABLE', 'Nobody knows.');
  const { line, groups } = aLine((names) => {
    if (names.length > 1) return new Error('too big');
    return names.includes('a') ? lost : undefined;
  });
  const commits = ['a', 'b', 'c'].map((name) => line.commit(aCommit(name), 'wait'));
  expect((await Promise.allSettled(commits)).map(({ status }) => status)).toEqual([
    'rejected',
    'fulfilled',
    'fulfilled',
  ]);
  await Promise.allSettled(['d', 'e'].map((name) => line.commit(aCommit(name), 'wait')));
  expect(groups.slice(0, 5)).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c'], ['d', 'e']]);
});

test('more commits than may wait are refused, and taken again once there is room', async ({
  expect,
}) => {
  const written = Promise.withResolvers<void>();
  const line = new StoreLine(clock, {
    ready: () => written.promise,
    commit: async (commits) => commits.map((_, at) => ({ at })),
  });
  const most = Array.from({ length: LIMITS.waitingCommits }, (_, at) =>
    line.commit(aCommit(`${at}`), 'wait'),
  );
  await expect(line.commit(aCommit('more'), 'wait')).rejects.toMatchObject({
    code: 'STORE_BUSY',
    message: '1000 commits wait for the database already; nothing was done',
    hint: expect.stringContaining('Try again'),
  });
  written.resolve();
  expect(await Promise.all(most)).toHaveLength(LIMITS.waitingCommits);
  await expect(line.commit(aCommit('more'), 'wait')).resolves.toEqual({ at: 0 });
});

test('more reads than may wait are refused, and taken again once there is room', async ({
  expect,
  onTestFinished,
}) => {
  const { line } = aLine();
  useSlowClock({ onTestFinished });
  const read = () => line.read(() => 'read');
  // The event loop was never looked after: all wait for it.
  const most = Array.from({ length: LIMITS.waitingReads }, read);
  await expect(read()).rejects.toMatchObject({
    code: 'STORE_BUSY',
    message: '5000 reads wait for the database already; nothing was done',
  });
  expect(await Promise.all(most)).toHaveLength(LIMITS.waitingReads);
  await expect(read()).resolves.toBe('read');
});

test('many reads let the event loop have its turn in between', async ({
  expect,
  onTestFinished,
}) => {
  const { line } = aLine();
  const order: string[] = [];
  useSlowClock({ onTestFinished });
  const reads = ['1', '2', '3', '4', '5', '6'].map((name) =>
    line.read(() => {
      performance.now();
      order.push(name);
    }),
  );
  for (let turn = 0; turn < 3; turn++) {
    await setImmediate();
    order.push('turn');
  }
  await Promise.all(reads);
  expect(order.filter((name) => name !== 'turn')).toEqual(['1', '2', '3', '4', '5', '6']);
  expect(order.indexOf('turn')).toBeGreaterThan(0);
  expect(order.indexOf('turn')).toBeLessThan(order.indexOf('6'));
});

/** Each look at the time is 5 ms later. */
function useSlowClock({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): void {
  let now = 1_000;
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 5;
    return now;
  });
  onTestFinished(() => spy.mockRestore());
}
