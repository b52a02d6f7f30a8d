import { describe, test } from 'vitest';
import type { AttemptEnd } from '../../../../../../functions/adapters/local/attempts/attempt-record.ts';
import { aSpec } from '../../../../../../functions/adapters/local/attempts/attempt-record.ts';
import {
  AttemptScheduler,
  newScheduled,
  type ScheduledAttempt,
  type SchedulerParts,
} from '../../../../../../functions/adapters/local/attempts/attempt-scheduler.ts';
import { aJob } from '../../../../../contract/platform.ts';
import { shellProgram } from '../../../../../fixtures/process-platform.ts';
import { systemClock } from '../../../../../fixtures/system-clock.ts';

const END: AttemptEnd = {
  state: 'SUCCEEDED',
  startedAt: 1,
  finishedAt: 2,
  exitCode: 0,
  cause: { code: 'succeeded', message: 'Ended with exit status 0.' },
};

describe('the attempts of a platform of this machine', () => {
  test('start in the order in which they came, as many at once as there are slots', ({
    expect,
  }) => {
    const { scheduler, begun } = opened({ slots: 2 });
    const [first, second] = ['a', 'b', 'c', 'd'].map((id) => waiting(scheduler, id));
    expect(begun).toEqual([]);
    scheduler.open();
    expect(begun).toEqual(['a', 'b']);
    if (first !== undefined) scheduler.run(first);
    if (second !== undefined) scheduler.end(second, END);
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  test('that an earlier service started hold their slots', ({ expect }) => {
    const { scheduler, begun } = opened({ slots: 1 });
    const taken = attempt('taken');
    scheduler.enter(taken, 'starting');
    waiting(scheduler, 'next');
    scheduler.open();
    expect(begun).toEqual([]);
    scheduler.end(taken, END);
    expect(begun).toEqual(['next']);
  });

  test('that ended while they waited are not started', ({ expect }) => {
    const { scheduler, begun } = opened({ slots: 1 });
    scheduler.end(waiting(scheduler, 'stopped'), END);
    scheduler.open();
    expect(begun).toEqual([]);
  });

  test('are not started any more once it closes, and nothing is left under way', async ({
    expect,
  }) => {
    const closing = new AbortController();
    const order: string[] = [];
    const { scheduler, begun } = opened({ slots: 1, closing: closing.signal });
    scheduler.open();
    const last = waiting(scheduler, 'last');
    waiting(scheduler, 'never');
    const work = Promise.withResolvers<void>();
    scheduler.inBackground(
      'work',
      work.promise.then(() => void order.push('work')),
    );
    closing.abort();
    scheduler.end(last, END);
    const settled = scheduler.settled().then(() => order.push('settled'));
    work.resolve();
    await settled;
    expect(order).toEqual(['work', 'settled']);
    expect(begun).toEqual(['last']);
  });

  test('are looked at one look after the other; one that fails does not keep the next from it', async ({
    expect,
  }) => {
    const told: string[] = [];
    let underway = 0;
    const { scheduler } = opened({
      check: async () => {
        underway += 1;
        told.push(`look ${underway}`);
        await Promise.resolve();
        underway -= 1;
        throw new Error('no answer');
      },
      onError: (ref) => told.push(`failed ${ref}`),
    });
    const seen = attempt('seen');
    const looks = [scheduler.look(seen), scheduler.look(seen)];
    expect(seen.looks).toBe(2);
    await Promise.all(looks);
    expect(told).toEqual(['look 1', 'failed seen', 'look 1', 'failed seen']);
    expect(seen.looks).toBe(0);
  });

  test('are not looked at after their end, also by a look that was waiting for its turn', async ({
    expect,
  }) => {
    const checked: string[] = [];
    const { scheduler } = opened({
      check: async (over) => {
        checked.push(over.ref);
        scheduler.end(over, END);
      },
    });
    const once = attempt('once');
    await Promise.all([scheduler.look(once), scheduler.look(once)]);
    expect(checked).toEqual(['once']);
  });
});

function opened(parts: Partial<SchedulerParts<ScheduledAttempt>>) {
  const begun: string[] = [];
  const scheduler = new AttemptScheduler<ScheduledAttempt>({
    slots: 1,
    clock: systemClock,
    closing: new AbortController().signal,
    begin: async ({ ref }) => void begun.push(ref),
    check: async () => undefined,
    onError: (_ref, error) => {
      throw error;
    },
    onChange: () => undefined,
    ...parts,
  });
  return { scheduler, begun };
}

function attempt(ref: string): ScheduledAttempt {
  const job = aJob({ clock: systemClock, program: shellProgram }, { jobId: ref });
  return { ...newScheduled(), ref, spec: aSpec(job, 1, 0) };
}

function waiting(scheduler: AttemptScheduler<ScheduledAttempt>, ref: string): ScheduledAttempt {
  const made = attempt(ref);
  scheduler.wait(made);
  return made;
}
