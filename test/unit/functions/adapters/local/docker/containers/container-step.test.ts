import { describe, test } from 'vitest';
import {
  nextStep,
  START_GRACE_MS,
  type Standing,
} from '../../../../../../../functions/adapters/local/docker/containers/container-step.ts';
import type { ContainerFacts } from '../../../../../../../functions/adapters/local/docker/containers/containers.ts';

const FOUND: ContainerFacts = {
  id: 'c1',
  name: 'caliban-c1',
  labels: {},
  createdAt: 50,
  status: 'created',
  startedAt: null,
  finishedAt: null,
  exitCode: 0,
  outOfMemory: false,
  error: '',
};
const STANDING: Standing = {
  record: { id: 'c1', stage: 'made', at: 100, make: 1 },
  found: FOUND,
  isOurs: true,
  stopRequested: false,
  failure: null,
  isRefused: false,
  notBefore: 0,
  mayHaveRun: false,
  now: 200,
};

describe('the next step of an attempt', () => {
  const ran = { ...FOUND, startedAt: 50 };
  const sent = { id: 'c1', stage: 'start-sent', at: 100, make: 1 } as const;
  const givenUp = { ...sent, stage: 'given-up' } as const;
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
    ['it may be tried again only later', { record: null, found: null, notBefore: 201 }, 'wait'],
    ['the machine could not start it now', { record: sent, isRefused: true }, 'give-up'],
    ['it may have run for a moment', { record: sent, now: late, mayHaveRun: true }, 'forgotten'],
    ['a start may still come', { record: sent, mayHaveRun: true }, 'wait'],
    ['the engine forgot that it ran', { record: { ...sent, stage: 'ran' } }, 'forgotten'],
    [
      'its successor was made, and a crash came before the record',
      { record: { ...givenUp, id: 'c0' } },
      'adopt',
    ],
    [
      'it could not be started, and a stop came',
      { record: sent, failure: 'x', stopRequested: true },
      'give-up',
    ],
    ['it was given up', { record: givenUp }, 'remove'],
    ['what was given up is gone', { record: givenUp, found: null }, 'create'],
    [
      'what was given up ran after all',
      { record: givenUp, found: { ...ran, status: 'running' } },
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
