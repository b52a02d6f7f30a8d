import { describe, test } from 'vitest';
import { START } from '../../../doubles/builders.ts';

import { start } from '../../../fixtures/outbox-run.ts';

describe('what the loop tells of itself', () => {
  test('is when it last looked through the rows, busy or not', async (context) => {
    const { expect } = context;
    const run = start(context, { handle: () => run.gate.promise });
    await run.deps.clock.advance(10_500);
    expect(run.deps.clock.now() - run.loop.turnedAt()).toBeLessThan(1_000);
    await run.addDistinct(20);
    await run.deps.clock.advance(60_000);
    expect(run.deps.clock.now() - run.loop.turnedAt()).toBeLessThanOrEqual(1_000);
  });

  test('is not renewed by a look that fails or never ends', async (context) => {
    const { expect } = context;
    const run = start(context);
    await run.deps.clock.advance(5_000);
    const { list } = run.deps.store;
    run.deps.store.list = () => Promise.reject(new Error('busy'));
    await run.deps.clock.advance(5_000);
    expect(run.loop.turnedAt()).toBeLessThanOrEqual(START + 5_000);
    run.deps.store.list = list;
    await run.deps.clock.advance(1_000);
    expect(run.loop.turnedAt()).toBeGreaterThan(START + 9_000);
  });

  test('is a line for each message, with the ids it has, and a count of how it went', async (context) => {
    const { expect } = context;
    let failures = 1;
    const run = start(context, {
      handle: async ({ kind }) => {
        if (kind === 'expand' && failures-- > 0) throw new Error('no luck');
      },
    });
    await run.add('a', { kind: 'expand', submissionId: 's1', chunk: 3 });
    await run.woken();
    await run.deps.clock.advance(1_000);
    expect(run.deps.lines).toMatchObject([
      {
        ...{ level: 'warn', message: 'message put back' },
        fields: {
          kind: 'expand',
          submissionId: 's1',
          chunk: 3,
          attempts: 1,
          error: 'Error: no luck',
        },
      },
      { level: 'debug', message: 'message done', fields: { submissionId: 's1', chunk: 3 } },
    ]);
    const handled = run.deps.meters
      .families()
      .find(({ name }) => name === 'caliban_messages_handled_total');
    expect(handled?.samples).toEqual([
      { labels: { kind: 'expand', outcome: 'put_back' }, value: 1 },
      { labels: { kind: 'expand', outcome: 'done' }, value: 1 },
    ]);
  });
});
