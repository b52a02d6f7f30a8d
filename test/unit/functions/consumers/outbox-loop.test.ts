import { describe, test } from 'vitest';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { START } from '../../../doubles/builders.ts';
import { allThatFollows } from '../../../doubles/manual-clock.ts';

import { DRAIN, isPutBack, start, waitOf } from '../../../fixtures/outbox-run.ts';

describe('outbox loop', () => {
  test('handles a due row and deletes it', async (context) => {
    const { expect } = context;
    const run = start(context);
    await run.add('a', DRAIN);
    await run.woken();
    expect(run.handled).toEqual([DRAIN]);
    expect(await run.row('a')).toBeUndefined();
  });

  test('is quick when it is woken, and finds rows by itself within a second', async (context) => {
    const { expect } = context;
    const run = start(context);
    await run.deps.clock.advance(10);
    await run.add('a', DRAIN);
    await run.woken();
    expect([run.handled.length, run.deps.clock.now()]).toEqual([1, START + 10]);
    await run.add('b', DRAIN);
    await run.deps.clock.advance(1_000);
    expect(run.handled).toHaveLength(2);
  });

  test('a wake that comes while the loop is looking is not lost', async (context) => {
    const { expect } = context;
    let looks = 0;
    const run = start(context, {
      storeOf: (store) => ({
        ...store,
        async list(query, params, page) {
          const found = await store.list(query, params, page);
          if (++looks === 1) {
            await run.add('a', DRAIN);
            run.loop.wake();
          }
          return found;
        },
      }),
    });
    await allThatFollows();
    expect([run.handled.length, run.deps.clock.now()]).toEqual([1, START]);
  });

  test('sleeps once, however often it was woken', async (context) => {
    const { expect } = context;
    const run = start(context);
    for (let wake = 0; wake < 50; wake++) await run.woken();
    expect(run.deps.clock.sleeping()).toBe(1);
  });

  test('leaves a row until its time has come, and takes it then', async (context) => {
    const { expect } = context;
    const run = start(context);
    await run.add('a', DRAIN, { notBefore: START + 300 });
    await run.woken();
    await run.deps.clock.advance(299);
    expect(run.handled).toEqual([]);
    await run.deps.clock.advance(1);
    expect(run.handled).toEqual([DRAIN]);
  });

  test('equal messages are handled once, and all their rows go', async (context) => {
    const { expect } = context;
    const run = start(context);
    for (const id of ['a', 'b', 'c']) await run.add(id, DRAIN);
    await run.add('d', { kind: 'stop', submissionId: 's' });
    await run.woken();
    expect(run.handled).toEqual([{ kind: 'stop', submissionId: 's' }, DRAIN]);
    for (const id of ['a', 'b', 'c', 'd']) expect(await run.row(id)).toBeUndefined();
  });

  test('a message that comes while its equal is being handled is handled after all', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => run.gate.promise });
    await run.add('a', DRAIN);
    await run.woken();
    await run.add('b', DRAIN);
    await run.woken();
    run.gate.resolve();
    await run.woken();
    expect(run.handled).toHaveLength(2);
    expect(await run.row('b')).toBeUndefined();
  });

  test('a row is leased before it is handled: its attempts are raised and it is ours', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => run.gate.promise });
    await run.add('a', DRAIN);
    await run.woken();
    expect(await run.row('a')).toMatchObject({ attempts: 1, leasedBy: 'this-life' });
    run.gate.resolve();
  });

  test('rows that an earlier life had leased are taken over', async (context) => {
    const { expect } = context;
    const run = start(context);
    await run.add('a', DRAIN, { attempts: 3, leasedBy: 'earlier-life' });
    await run.woken();
    expect(run.handled).toEqual([DRAIN]);
    expect(await run.row('a')).toBeUndefined();
  });

  test('a failure puts the row back with a growing wait, its error and its attempts', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => Promise.reject(new Error('no luck')) });
    await run.add('a', DRAIN);
    await run.woken();
    const first = await run.row('a');
    expect(first).toMatchObject({
      attempts: 1,
      parked: false,
      leasedBy: null,
      lastError: 'Error: no luck',
    });
    expect(waitOf(first, START)).toBeGreaterThanOrEqual(250);
    expect(waitOf(first, START)).toBeLessThanOrEqual(500);
    await run.deps.clock.advance(waitOf(first, START));
    const secondAt = run.deps.clock.now();
    expect(waitOf(await run.row('a'), secondAt)).toBeGreaterThanOrEqual(500);
    expect(run.handled).toHaveLength(2);
  });

  test('after ten failures the row is parked and left alone', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => Promise.reject(new Error('poison')) });
    await run.add('a', DRAIN);
    await run.woken();
    await run.deps.clock.advance(3_600_000);
    expect(run.handled).toHaveLength(10);
    expect(await run.row('a')).toMatchObject({
      parked: true,
      attempts: 10,
      lastError: 'Error: poison',
    });
    expect(run.deps.logged.at(-1)).toBe('message parked');
  });

  test('the wait never exceeds a minute', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => Promise.reject(new Error('no luck')) });
    await run.add('a', DRAIN, { attempts: 8 });
    await run.woken();
    expect(waitOf(await run.row('a'), START)).toBeLessThanOrEqual(60_000);
  });

  test('at most sixteen are handled at the same time, the others as soon as one is over', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => run.gate.promise });
    await run.addDistinct(40);
    await run.woken();
    expect([run.loop.inFlight(), run.handled.length]).toEqual([16, 16]);
    run.gate.resolve();
    await allThatFollows();
    expect([run.loop.inFlight(), run.handled.length]).toEqual([0, 40]);
  });

  test('quick handlers are not waited for: what is due is taken at once, however much it is', async (context) => {
    const { expect } = context;
    const run = start(context);
    await run.addDistinct(100);
    await run.woken();
    expect([run.handled.length, run.deps.clock.now()]).toEqual([100, START]);
  });

  test('a hundred equal rows in one long handler hide no other row', async (context) => {
    const { expect } = context;
    const run = start(context, {
      handle: ({ kind }) => (kind === 'drain' ? run.gate.promise : Promise.resolve()),
    });
    for (let at = 0; at < 120; at++) await run.add(`drain-${at}`, DRAIN);
    await run.woken();
    await run.add('z', { kind: 'stop', submissionId: 's' }, { notBefore: START + 1 });
    await run.deps.clock.advance(1_000);
    expect(await run.row('z')).toBeUndefined();
  });

  test('expansions take few places at a time, and hide no other row, however many wait', async (context) => {
    const { expect } = context;
    const run = start(context, {
      handle: ({ kind }) => (kind === 'expand' ? run.gate.promise : Promise.resolve()),
    });
    for (let chunk = 0; chunk < 600; chunk++) {
      await run.add(`e-${chunk}`, { kind: 'expand', submissionId: 'sweep', chunk });
    }
    await run.woken();
    expect(run.handled).toHaveLength(2);
    await run.add('s', { kind: 'stop', submissionId: 's' }, { notBefore: START + 1 });
    await run.add('i', { kind: 'image', submissionId: 'i' }, { notBefore: START + 2 });
    await run.deps.clock.advance(1_000);
    expect(run.handled.slice(2).map(({ kind }) => kind)).toEqual(['stop', 'image']);
    run.gate.resolve();
    await run.deps.clock.advance(1_000);
    expect(run.handled).toHaveLength(602);
  });

  test('a row that ended the service ten times is parked, not handled', async (context) => {
    const { expect } = context;
    const run = start(context);
    await run.add('a', DRAIN, { attempts: 10, leasedBy: 'earlier-life' });
    await run.woken();
    expect(run.handled).toEqual([]);
    expect(await run.row('a')).toMatchObject({ parked: true, attempts: 10 });
  });

  test('one that fails leaves the others alone', async (context) => {
    const { expect } = context;
    const run = start(context, {
      handle: async (message) => {
        if (message.kind === 'stop') throw new Error('no luck');
      },
    });
    await run.add('a', { kind: 'stop', submissionId: 's' });
    await run.add('b', DRAIN);
    await run.woken();
    expect([await run.row('b'), (await run.row('a'))?.attempts]).toEqual([undefined, 1]);
  });

  test('a handler that throws at once ends neither the loop nor the process', async (context) => {
    const { expect } = context;
    const run = start(context, {
      handle: () => {
        throw new Error('at once');
      },
    });
    await run.add('a', DRAIN);
    await run.woken();
    expect((await run.row('a'))?.lastError).toBe('Error: at once');
    await run.deps.clock.advance(1_000);
    expect(run.handled.length).toBeGreaterThan(1);
  });

  test('a store that fails for a moment ends neither', async (context) => {
    const { expect } = context;
    const run = start(context, {
      storeOf: (store) => ({
        ...store,
        list: (query, params, page) =>
          run.deps.clock.now() < START + 2_500
            ? Promise.reject(new Error('busy'))
            : store.list(query, params, page),
      }),
    });
    await run.add('a', DRAIN);
    await run.deps.clock.advance(5_000);
    expect(run.handled).toEqual([DRAIN]);
    expect(run.deps.logged.filter((text) => text === 'outbox step failed')).toHaveLength(3);
  });

  test('a row that could be handled but not deleted is handled again', async (context) => {
    const { expect } = context;
    let failures = 1;
    const run = start(context, {
      storeOf: (store) => ({
        ...store,
        commit: (writes) =>
          writes.some(({ op }) => op === 'delete') && failures-- > 0
            ? Promise.reject(new Error('busy'))
            : store.commit(writes),
      }),
    });
    await run.add('a', DRAIN);
    await run.deps.clock.advance(5_000);
    expect(run.handled).toHaveLength(2);
    expect(await run.row('a')).toBeUndefined();
  });

  test('what failed because the records could not be written is never parked, and tried soon', async (context) => {
    const { expect } = context;
    let isFull = true;
    const run = start(context, {
      handle: () =>
        isFull ? Promise.reject(new AppError('DISK_FULL', 'full')) : Promise.resolve(),
    });
    await run.add('a', DRAIN);
    await run.woken();
    await run.deps.clock.advance(3_600_000);
    expect(run.handled.length).toBeGreaterThan(1_000);
    expect(await run.row('a')).toMatchObject({ parked: false, attempts: 0 });
    isFull = false;
    await run.deps.clock.advance(3_000);
    expect(await run.row('a')).toBeUndefined();
  });

  test('while nothing can be written a failed message keeps its place and is not handled again', async (context) => {
    const { expect } = context;
    let isFull = false;
    const attempts: (number | undefined)[] = [];
    const run = start(context, {
      handle: async () => {
        attempts.push((await run.row('a'))?.attempts);
        if (attempts.length > 1) return;
        isFull = true;
        throw new AppError('DISK_FULL', 'full');
      },
      storeOf: (store) => ({
        ...store,
        commit: (writes) =>
          isFull ? Promise.reject(new AppError('DISK_FULL', 'full')) : store.commit(writes),
      }),
    });
    await run.add('a', DRAIN);
    await run.woken();
    await run.deps.clock.advance(600_000);
    expect([run.handled.length, run.loop.inFlight()]).toEqual([1, 1]);
    isFull = false;
    await run.deps.clock.advance(5_000);
    // The attempt that was counted before it ran was taken back.
    expect(attempts).toEqual([1, 1]);
    expect(await run.row('a')).toBeUndefined();
  });

  test('ended while nothing can be written, it leaves the message to the next start', async (context) => {
    const { expect } = context;
    const run = start(context, {
      handle: () => Promise.reject(new AppError('DISK_FULL', 'full')),
      storeOf: (store) => ({
        ...store,
        commit: (writes) =>
          writes.some((write) => write.op === 'put' && isPutBack(write.value))
            ? Promise.reject(new AppError('DISK_FULL', 'full'))
            : store.commit(writes),
      }),
    });
    await run.add('a', DRAIN);
    await run.woken();
    run.end();
    await run.ended;
    expect(await run.row('a')).toMatchObject({ attempts: 1, parked: false });
  });

  test('ended, it waits for the handlers in flight and takes nothing more', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => run.gate.promise });
    await run.add('a', DRAIN);
    await run.woken();
    let over = false;
    void run.ended.then(() => {
      over = true;
    });
    run.end();
    await run.add('b', { kind: 'stop', submissionId: 's' });
    await run.woken();
    expect([over, run.handled.length]).toEqual([false, 1]);
    run.gate.resolve();
    await run.ended;
    expect(await run.row('a')).toBeUndefined();
    expect(await run.row('b')).toBeDefined();
  });
});
