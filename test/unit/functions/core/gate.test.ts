import fc from 'fast-check';
import { describe, test } from 'vitest';
import { serve, type VirtualTimes, type Waiting } from '../../../../functions/core/gate.ts';
import { aJob, aSubmission } from '../../../doubles/builders.ts';

interface Sweep {
  readonly principal: string;
  readonly jobs: number;
}

const anySweeps = fc.array(
  fc.record({
    principal: fc.constantFrom('ada', 'bob', 'eve', 'kim'),
    jobs: fc.integer({ min: 1, max: 20 }),
  }),
  { maxLength: 8 },
);
const anyTimes = fc.dictionary(
  fc.constantFrom('ada', 'bob', 'eve', 'kim'),
  fc.integer({ min: 0, max: 30 }),
);
const anyPlaces = fc.integer({ min: 0, max: 100 });

describe('fair share at the gate', () => {
  test('two who both have jobs waiting are never more than one job apart, at each moment', ({
    expect,
  }) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), (places) => {
        const { jobs } = serve(waitingOf([backlog('ada'), backlog('bob')]), {}, places);
        for (let end = 1; end <= jobs.length; end++) {
          const ada = jobs.slice(0, end).filter(({ value }) => value.owner === 'ada').length;
          expect(Math.abs(ada - (end - ada))).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test('it stays fair when the places come a few at a time', ({ expect }) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 30 }), (rounds) => {
        let times: VirtualTimes = {};
        const had = { ada: 0, bob: 0, eve: 0 };
        for (const places of rounds) {
          const waiting = waitingOf([backlog('ada'), backlog('bob'), backlog('eve')]);
          const served = serve(waiting, times, places);
          times = served.times;
          for (const { value } of served.jobs) had[value.owner as keyof typeof had]++;
          const counts = Object.values(had);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test('of one principal the oldest submission goes first, by index', ({ expect }) => {
    fc.assert(
      fc.property(anySweeps, anyTimes, anyPlaces, (sweeps, times, places) => {
        const waiting = waitingOf(sweeps);
        const { jobs } = serve(waiting, times, places);
        for (const principal of new Set(sweeps.map((sweep) => sweep.principal))) {
          const got = jobs.filter(({ value }) => value.owner === principal);
          const inOrder = waiting
            .filter(({ submission }) => submission.principal === principal)
            .flatMap((each) => each.jobs);
          expect(got).toEqual(inOrder.slice(0, got.length));
        }
      }),
    );
  });

  test('never more jobs than places, each at most once, and no place is left while a job waits', ({
    expect,
  }) => {
    fc.assert(
      fc.property(anySweeps, anyTimes, anyPlaces, (sweeps, times, places) => {
        const { jobs } = serve(waitingOf(sweeps), times, places);
        const total = sweeps.reduce((sum, sweep) => sum + sweep.jobs, 0);
        expect(jobs).toHaveLength(Math.min(places, total));
        expect(new Set(jobs.map(({ value }) => value.id)).size).toBe(jobs.length);
      }),
    );
  });

  test('each job served costs its principal one unit of virtual time, and nobody else', ({
    expect,
  }) => {
    fc.assert(
      fc.property(anySweeps, anyTimes, anyPlaces, (sweeps, before, places) => {
        const waiting = waitingOf(sweeps);
        const { times: entered } = serve(waiting, before, 0);
        const { jobs, times } = serve(waiting, before, places);
        for (const [principal, time] of Object.entries(times)) {
          const got = jobs.filter(({ value }) => value.owner === principal).length;
          expect(time - (entered[principal] ?? 0)).toBe(got);
        }
      }),
    );
  });

  test('a returning principal starts at the least time of those present: being away earns nothing', ({
    expect,
  }) => {
    const waiting = waitingOf([backlog('ada'), backlog('bob'), backlog('eve')]);
    const { times } = serve(waiting, { ada: 40, bob: 42 }, 0);
    expect(times).toEqual({ ada: 0, bob: 2, eve: 0 });
  });

  test('who has nothing open is forgotten', ({ expect }) => {
    const { times } = serve(waitingOf([backlog('ada')]), { ada: 3, bob: 1 }, 0);
    expect(times).toEqual({ ada: 0 });
  });

  test('times start again at 0, so that they do not grow with the life of the lane', ({
    expect,
  }) => {
    fc.assert(
      fc.property(anySweeps, anyTimes, (sweeps, before) => {
        const { times } = serve(waitingOf(sweeps), before, 0);
        if (sweeps.length > 0) expect(Math.min(...Object.values(times))).toBe(0);
      }),
    );
  });

  test('the single job of a newcomer goes before the second of anyone, however long the sweep', ({
    expect,
  }) => {
    const sweep = waitingOf([{ principal: 'ada', jobs: 1_500 }]);
    const { times } = serve(sweep, {}, 300);
    const { jobs } = serve(waitingOf([backlog('ada'), { principal: 'bob', jobs: 1 }]), times, 5);
    expect(jobs.slice(0, 2).map(({ value }) => value.owner)).toContain('bob');
  });

  test('a newcomer goes before everyone else', ({ expect }) => {
    const waiting = waitingOf([backlog('ada'), backlog('bob'), { principal: 'eve', jobs: 1 }]);
    const { jobs } = serve(waiting, { ada: 5, bob: 7 }, 2);
    expect(jobs.map(({ value }) => value.owner)).toEqual(['eve', 'ada']);
  });
});

function backlog(principal: string): Sweep {
  return { principal, jobs: 100 };
}

function waitingOf(sweeps: readonly Sweep[]): Waiting[] {
  return sweeps.map(({ principal, jobs }, at) => {
    const submission = aSubmission({ id: `s${at}`, principal, owner: principal });
    return {
      submission,
      jobs: Array.from({ length: jobs }, (_, index) => {
        const value = aJob({ submissionId: submission.id, index, owner: principal });
        return { key: { collection: 'jobs', id: value.id }, value, version: '1', changedAt: 1 };
      }),
    };
  });
}
