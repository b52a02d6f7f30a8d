import { describe, test } from 'vitest';
import { createLaneSignals } from '../../../../functions/embedded/lane-signals.ts';
import { START } from '../../../doubles/builders.ts';
import { allThatFollows, createManualClock } from '../../../doubles/manual-clock.ts';

describe('lane signals', () => {
  test('a wait ends after its time', async ({ expect }) => {
    const { clock, signals } = open();
    const over = watch(signals.wait('a', 1_000));
    await clock.advance(999);
    expect(over()).toBe('waits');
    await clock.advance(1);
    expect(over()).toBe('over');
  });

  test('a poke ends the waits of its lane at once, and no other', async ({ expect }) => {
    const { clock, signals } = open();
    const waits = ['a', 'a', 'b'].map((lane) => watch(signals.wait(lane, 1_000)));
    signals.poke('a');
    await allThatFollows();
    expect(waits.map((over) => over())).toEqual(['over', 'over', 'waits']);
    expect([clock.now(), clock.sleeping()]).toEqual([START, 1]);
  });

  test('a lane can be waited for again after a poke', async ({ expect }) => {
    const { signals } = open();
    const first = signals.wait('a', 1_000);
    signals.poke('a');
    await first;
    const second = watch(signals.wait('a', 1_000));
    await allThatFollows();
    expect(second()).toBe('waits');
  });

  test('no wait at all takes no timer', async ({ expect }) => {
    const { clock, signals } = open();
    await signals.wait('a', 0);
    expect(clock.sleeping()).toBe(0);
  });

  test('a poke of a lane nobody waits for is nothing', async ({ expect }) => {
    const { signals } = open();
    expect(() => signals.poke('a')).not.toThrow();
  });

  test('once the service ends, waits reject: running ones, and those to come', async ({
    expect,
  }) => {
    const { signals, ending } = open();
    const waiting = signals.wait('a', 1_000);
    ending.abort(new Error('the service ends'));
    await expect(waiting).rejects.toThrow('the service ends');
    await expect(signals.wait('b', 1_000)).rejects.toThrow('the service ends');
    await expect(signals.wait('b', 0)).rejects.toThrow('the service ends');
  });
});

function open() {
  const clock = createManualClock(START);
  const ending = new AbortController();
  return { clock, ending, signals: createLaneSignals(clock, ending.signal) };
}

function watch(promise: Promise<void>): () => 'waits' | 'over' {
  let state: 'waits' | 'over' = 'waits';
  void promise.then(() => {
    state = 'over';
  });
  return () => state;
}
