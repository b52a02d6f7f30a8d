import fc from 'fast-check';
import { describe, test } from 'vitest';
import { aSpec } from '../../../../../../../functions/adapters/local/attempts/attempt-record.ts';
import { aPlatformJob } from '../../../../../../doubles/a-platform-job.ts';
import { ForgetfulWorld } from '../../../../../../doubles/forgetful-engine.ts';

/** What may happen, and how often in comparison. */
const EVENTS = {
  look: [6, (world) => world.look()],
  'killed before a change': [1, (world) => world.failNext('killed-before')],
  'killed before the one after': [1, (world) => world.failNext('killed-before', 1)],
  'killed after a change': [1, (world) => world.failNext('killed-after')],
  'killed after the next': [1, (world) => world.failNext('killed-after', 1)],
  'killed after the second next': [1, (world) => world.failNext('killed-after', 2)],
  'a start comes late': [2, (world) => world.failNext('start-late')],
  'late starts come': [1, (world) => world.deliverLateStarts()],
  'late starts come at a rename': [1, (world) => world.lateAt('rename')],
  'late starts come at a removal': [1, (world) => world.lateAt('remove')],
  'the program ends': [1, (world) => world.exit()],
  'time passes': [2, (world) => world.wait()],
} as const satisfies Record<string, readonly [number, (world: ForgetfulWorld) => unknown]>;

const INTERFERENCES = {
  'somebody removes it': [1, (world) => world.removeAll()],
  'the engine ends at a change': [1, (world) => world.failNext('engine-ends')],
  'the engine ends at the second next': [1, (world) => world.failNext('engine-ends', 2)],
  'the engine ends': [1, (world) => world.endEngine()],
} as const satisfies typeof EVENTS extends Record<string, infer E> ? Record<string, E> : never;

describe('an attempt whose service may be killed at any request', () => {
  test('starts its program exactly once, however late a start comes, and ends with its files kept', async () => {
    await fc.assert(
      fc.asyncProperty(events(EVENTS), async (happening) => {
        const world = await played(happening);
        return world.starts === 1 && world.end?.exitCode === 0 && world.kept > 0;
      }),
      { numRuns: 3000 },
    );
  });

  test('starts its program at most once when it is stopped, and never waits for ever', async () => {
    const all = { ...EVENTS, 'a stop': [1, (world: ForgetfulWorld) => world.stop()] as const };
    await fc.assert(
      fc.asyncProperty(events(all), async (happening) => {
        const world = await played(happening);
        const isStarted = world.starts === 1;
        return world.starts <= 1 && (world.end?.exitCode === 0) === isStarted;
      }),
      { numRuns: 2000 },
    );
  });

  test('is lost at worst when the engine ends and forgets, or somebody removes it; its program never starts again', async () => {
    await fc.assert(
      fc.asyncProperty(events({ ...EVENTS, ...INTERFERENCES }), async (happening) => {
        const world = await played(happening);
        if (world.starts > 1 || world.end === null) return false;
        return world.interferences > 0 || (world.starts === 1 && world.end.exitCode === 0);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('an attempt', () => {
  test('that ran although it was given up is never replaced', async ({ expect }) => {
    const world = aWorld();
    world.failNext('start-late');
    await world.look();
    world.wait();
    world.failNext('killed-after');
    await world.look();
    world.deliverLateStarts();
    await world.look();
    world.removeAll();
    await world.look();
    await world.look();
    expect(world.end?.cause.code).toBe('lost');
    expect(world.starts).toBe(1);
  });

  test('has its log completed once, however long its files take', async ({ expect }) => {
    const world = aWorld();
    world.looksToKeep = 5;
    await world.look();
    world.exit();
    for (let look = 0; look < 5; look++) {
      expect(world.end).toBeNull();
      await world.look();
    }
    expect([world.end?.exitCode, world.completions, world.kept]).toEqual([0, 1, 1]);
  });

  test('gets no container any more once the service closes', async ({ expect }) => {
    const world = aWorld();
    world.close();
    await world.look();
    expect(world.made).toBe(0);
  });

  test('is not started any more once the service closes', async ({ expect }) => {
    const world = aWorld();
    world.failNext('killed-after');
    await world.look();
    expect(world.made).toBe(1);
    world.close();
    await world.look();
    expect([world.starts, world.end]).toEqual([0, null]);
  });
});

type Event = (world: ForgetfulWorld) => unknown;

function events(weighted: Readonly<Record<string, readonly [number, Event]>>) {
  const choices = Object.entries(weighted).map(([name, [weight, happen]]) => ({
    weight,
    arbitrary: fc.constant({ happen, toString: () => name }),
  }));
  return fc.array(fc.oneof(...choices), { maxLength: 40 });
}

function aWorld(): ForgetfulWorld {
  return new ForgetfulWorld(aSpec(aPlatformJob(), 1, 0));
}

/** Lets all that happen, and then time pass with a service and an engine that live. */
async function played(happening: readonly { readonly happen: Event }[]): Promise<ForgetfulWorld> {
  const world = aWorld();
  for (const { happen } of happening) await happen(world);
  world.deliverLateStarts();
  for (let turn = 0; turn < 10; turn++) {
    await world.look();
    world.exit();
    world.wait();
  }
  return world;
}
