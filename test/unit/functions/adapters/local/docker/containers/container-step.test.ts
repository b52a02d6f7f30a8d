import fc from 'fast-check';
import { describe, test } from 'vitest';
import type { ContainerRecord } from '../../../../../../../functions/adapters/local/docker/containers/container-record.ts';
import {
  nextStep,
  START_GRACE_MS,
  type Standing,
  type Step,
} from '../../../../../../../functions/adapters/local/docker/containers/container-step.ts';
import type { ContainerFacts } from '../../../../../../../functions/adapters/local/docker/containers/containers.ts';

const FOUND: ContainerFacts = {
  id: 'c1',
  labels: {},
  status: 'created',
  startedAt: null,
  finishedAt: null,
  exitCode: 0,
  outOfMemory: false,
  error: '',
};
const STANDING: Standing = {
  record: { id: 'c1', stage: 'made', at: 100 },
  found: FOUND,
  isOurs: true,
  stopRequested: false,
  failure: null,
  now: 200,
};

describe('the next step of an attempt', () => {
  const ran = { ...FOUND, startedAt: 50 };
  const sent = { id: 'c1', stage: 'start-sent', at: 100 } as const;
  const late = 100 + START_GRACE_MS;
  test.for<readonly [string, Partial<Standing>, string]>([
    ['nothing was made', { record: null, found: null }, 'create'],
    [
      'nothing may be made any more',
      { record: null, found: null, stopRequested: true },
      'unstarted',
    ],
    ['it could not be made', { record: null, found: null, failure: 'x' }, 'failed'],
    ['it was made, and a crash came before the record', { record: null }, 'adopt'],
    ['another one has its name', { record: null, isOurs: false }, 'failed'],
    ['it was made', {}, 'start'],
    ['it was made, and a stop came', { stopRequested: true }, 'give-up'],
    ['it was asked to start a moment ago', { record: sent }, 'wait'],
    ['it was asked to start long ago', { record: sent, now: late }, 'give-up'],
    ['it could not be started', { record: sent, failure: 'x' }, 'failed'],
    [
      'it could not be started, an earlier service asked',
      { record: sent, found: { ...FOUND, error: 'x' } },
      'failed',
    ],
    [
      'it could not be started, and a stop came',
      { record: sent, failure: 'x', stopRequested: true },
      'give-up',
    ],
    ['it was given up', { record: { ...sent, stage: 'given-up' } }, 'remove'],
    [
      'what was given up is gone',
      { record: { ...sent, stage: 'given-up' }, found: null },
      'create',
    ],
    [
      'what was given up ran after all',
      { record: { ...sent, stage: 'given-up' }, found: { ...ran, status: 'running' } },
      'running',
    ],
    ['it runs', { record: sent, found: { ...ran, status: 'running' } }, 'running'],
    ['somebody paused it', { record: sent, found: { ...ran, status: 'paused' } }, 'running'],
    ['it ran', { record: sent, found: { ...ran, status: 'exited' } }, 'exited'],
    [
      'it ran, and its removal got stuck',
      { record: sent, found: { ...ran, status: 'dead' } },
      'exited',
    ],
    ['somebody removes it', { found: { ...FOUND, status: 'removing' } }, 'wait'],
    ['somebody removed it', { record: sent, found: null }, 'lost'],
    ['somebody removed it before it started', { found: null }, 'lost'],
  ])('when %s', ([, change, kind], { expect }) => {
    expect(nextStep({ ...STANDING, ...change }).kind).toBe(kind);
  });
});

/** What happens between two looks. `late-start`: the engine gets to a start whose sender is gone; `exit`: the program ends. */
const event = fc.constantFrom('look', 'look', 'crash', 'late-start', 'exit', 'hours', 'stop');

describe('an attempt whose service may be killed at any step', () => {
  test('starts its program at most once, and never waits for ever', ({ expect }) => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const world = aWorld();
        for (const what of events) world[what]();
        // The engine gets to everything it was sent, and the service lives on.
        world['late-start']();
        for (let turn = 0; turn < 20; turn++) {
          world.look();
          world.exit();
          world.hours();
        }
        expect(world.starts()).toBeLessThanOrEqual(1);
        expect(world.end()).not.toBeNull();
        const isStarted = world.starts() === 1;
        expect(world.end() === 'exited').toBe(isStarted);
      }),
      { numRuns: 2000 },
    );
  });
});

/** An engine, a record on disk and a service that takes one step at each look; a crash comes between a request and its answer. */
function aWorld() {
  let now = 0;
  let record: ContainerRecord | null = null;
  let container: ContainerFacts | null = null;
  let made = 0;
  let starts = 0;
  let stopRequested = false;
  let end: string | null = null;
  let sent: string | null = null;
  let losesAnswer = false;

  // Docker starts a container that has exited again, when it is asked to.
  function start(id: string): void {
    if (container?.id !== id || container.status === 'running') return;
    starts += 1;
    container = { ...container, status: 'running', startedAt: now };
  }

  function write(id: string, stage: ContainerRecord['stage']): void {
    record = { id, stage, at: now };
  }

  const steps: Partial<Record<Step['kind'], (id: string) => void>> = {
    create: () => {
      made += 1;
      container = { ...FOUND, id: `c${made}` };
      if (!losesAnswer) write(container.id, 'made');
    },
    adopt: (id) => write(id, 'made'),
    start: (id) => {
      write(id, 'start-sent');
      if (losesAnswer) sent = id;
      else start(id);
    },
    'give-up': (id) => write(id, 'given-up'),
    remove: () => {
      container = null;
    },
    wait: () => undefined,
    running: (id) => write(id, 'start-sent'),
  };

  return {
    starts: () => starts,
    end: () => end,
    look: () => {
      if (end !== null) return;
      const isOther = record !== null && record.id !== container?.id;
      const found = isOther ? null : container;
      const standing = { record, found, isOurs: true, stopRequested, failure: null, now };
      const { kind } = nextStep(standing);
      const take = steps[kind];
      if (take === undefined) end = kind;
      else take(found?.id ?? '');
      losesAnswer = false;
    },
    crash: () => {
      losesAnswer = true;
    },
    'late-start': () => {
      if (sent !== null) start(sent);
      sent = null;
    },
    exit: () => {
      if (container?.status !== 'running') return;
      container = { ...container, status: 'exited', finishedAt: now };
    },
    hours: () => {
      now += START_GRACE_MS;
    },
    stop: () => {
      stopRequested = true;
    },
  };
}
