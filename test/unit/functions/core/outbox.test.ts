import { describe, test } from 'vitest';
import { commitAndPublish } from '../../../../functions/core/outbox.ts';
import { retryStale } from '../../../../functions/core/retry-stale.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import { put, StaleVersion } from '../../../../functions/ports/store.ts';
import { aJob, coreDeps, LANE, START } from '../../../doubles/builders.ts';
import { beforeCommit, jobsNow, saved, waitingMessages } from '../../../doubles/store-access.ts';

const message: Message = { kind: 'drain', lane: LANE };

describe('outbox', () => {
  test('state and messages are committed at once, then published and forgotten', async ({
    expect,
  }) => {
    const deps = coreDeps();
    await commitAndPublish(deps, [aJobWrite()], [{ message }]);
    expect(deps.commits[0]?.map(({ key }) => key.collection)).toEqual(['jobs', 'outbox']);
    expect(deps.queue.take()).toEqual([message]);
    expect(await waitingMessages(deps)).toEqual([]);
  });

  test('a commit that is refused publishes nothing', async ({ expect }) => {
    const deps = coreDeps();
    await saved(deps, 'jobs', aJob());
    await expect(
      commitAndPublish(deps, [aJobWrite('absent')], [{ message }]),
    ).rejects.toBeInstanceOf(StaleVersion);
    expect(deps.queue.take()).toEqual([]);
    expect(await waitingMessages(deps)).toEqual([]);
  });

  test('a queue that is down keeps neither the commit nor the caller: the row stays', async ({
    expect,
  }) => {
    const deps = coreDeps();
    const queue = { ...deps.queue, publish: () => Promise.reject(new Error('down')) };
    await commitAndPublish({ ...deps, queue }, [aJobWrite()], [{ message }]);
    expect(await jobsNow(deps)).toHaveLength(1);
    expect(await waitingMessages(deps)).toEqual([{ message, notBefore: START }]);
    expect(deps.logged).toEqual(['messages left to tick']);
  });

  test('a message for later stays in the outbox', async ({ expect }) => {
    const deps = coreDeps();
    await commitAndPublish(deps, [], [{ message, notBefore: START + 1 }]);
    expect(deps.queue.take()).toEqual([]);
    expect(await waitingMessages(deps)).toEqual([{ message, notBefore: START + 1 }]);
  });

  test('a wait that came due while it was committed is left as it is', async ({ expect }) => {
    const deps = coreDeps();
    const store = beforeCommit(
      deps.store,
      () => true,
      () => deps.clock.advance(5_000),
    );
    const notBefore = deps.clock.now() + 1_000;
    await commitAndPublish({ ...deps, store }, [], [{ message, notBefore }]);
    expect(deps.queue.take()).toEqual([]);
    expect(await waitingMessages(deps)).toHaveLength(1);
  });

  test('where the rows are the messages, publishing does not delete them', async ({ expect }) => {
    const deps = coreDeps();
    const queue = { ...deps.queue, keepsMessages: false };
    await commitAndPublish({ ...deps, queue }, [], [{ message }]);
    expect(deps.queue.take()).toEqual([message]);
    expect(await waitingMessages(deps)).toHaveLength(1);
  });
});

describe('retryStale', () => {
  test('runs a step again as long as its commit loses races', async ({ expect }) => {
    let runs = 0;
    const result = await retryStale(async () => {
      if (++runs < 4) throw new StaleVersion([]);
      return 'done';
    });
    expect([result, runs]).toEqual(['done', 4]);
  });

  test('gives up after twelve, as STORE_BUSY', async ({ expect }) => {
    let runs = 0;
    const busy = retryStale(async () => {
      runs++;
      throw new StaleVersion([{ collection: 'jobs', id: 'j' }]);
    });
    await expect(busy).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringContaining('jobs/j'),
    });
    expect(runs).toBe(12);
  });

  test('does not repeat another failure', async ({ expect }) => {
    let runs = 0;
    const failed = retryStale(async () => {
      runs++;
      throw new Error('odd');
    });
    await expect(failed).rejects.toThrow('odd');
    expect(runs).toBe(1);
  });
});

function aJobWrite(expectation?: 'absent') {
  const job = aJob();
  return put({ collection: 'jobs', id: job.id }, job, expectation);
}
