import { describe, test } from 'vitest';
import { createStrays } from '../../../../../../../functions/adapters/local/docker/containers/container-strays.ts';
import type { ListedContainer } from '../../../../../../../functions/adapters/local/docker/containers/containers.ts';
import {
  EngineRefusal,
  EngineSilent,
} from '../../../../../../../functions/adapters/local/docker/engine/engine-call.ts';
import { type LoggedLine, logTo } from '../../../../../../doubles/logs.ts';
import { createManualClock } from '../../../../../../doubles/manual-clock.ts';

const END = {
  state: 'SUCCEEDED',
  exitCode: 0,
  cause: { code: 'succeeded', message: 'Exit code 0.' },
  startedAt: 1,
  finishedAt: 2,
} as const;
const BUSY = new EngineRefusal(500, 'device or resource busy', undefined);

describe('containers without a living attempt', () => {
  test('are removed when their job is over, also one that runs, which is told', async ({
    expect,
  }) => {
    const { tidy, there, lines } = aBench({ a: 'exited', b: 'running', c: 'created' });
    await tidy();
    expect([...there.keys()]).toEqual([]);
    expect(lines).toMatchObject([
      { level: 'warn', fields: { container: 'b' }, message: expect.stringContaining('removed') },
    ]);
  });

  test('that nobody knows are named once and left alone', async ({ expect }) => {
    const { tidy, there, lines, ended } = aBench({ a: 'running', b: 'exited' });
    ended.delete('a');
    for (let look = 0; look < 3; look++) await tidy();
    expect([...there.keys()]).toEqual(['a']);
    expect(lines.map(({ fields }) => fields['container'])).toEqual(['a']);
    there.delete('a');
    await tidy();
    there.set('a', 'running');
    await tidy();
    expect(lines).toHaveLength(2);
  });

  test('whose attempt is there without an end yet are left alone in silence', async ({
    expect,
  }) => {
    const { tidy, there, lines, ended, known } = aBench({ a: 'running' });
    ended.delete('a');
    known.add('a');
    await tidy();
    expect([[...there.keys()], lines]).toEqual([['a'], []]);
  });

  test.for([BUSY, new EngineSilent('late', 'within 60 s')])(
    'one that cannot be removed (%s) keeps no other, is named once, and tried with growing waits',
    async (failure, { expect }) => {
      const { tidy, there, lines, failures, asked, clock } = aBench({ a: 'exited', b: 'exited' });
      failures.set('a', failure);
      await tidy();
      expect([...there.keys()]).toEqual(['a']);
      const tries = () => asked.filter((id) => id === 'a').length;
      await clock.advance(9_999);
      await tidy();
      expect(tries()).toBe(1);
      await clock.advance(1);
      await tidy();
      expect(tries()).toBe(2);
      await clock.advance(19_999);
      await tidy();
      expect(tries()).toBe(2);
      for (let hour = 0; hour < 48; hour++) {
        await clock.advance(1_800_000);
        await tidy();
      }
      expect(tries()).toBeGreaterThan(20);
      expect(tries()).toBeLessThan(40);
      expect(lines).toMatchObject([{ level: 'warn', fields: { container: 'a', err: failure } }]);
      failures.clear();
      await clock.advance(3_600_000);
      await tidy();
      expect([...there.keys()]).toEqual([]);
    },
  );

  test('wait for an engine that is away, which is not held against them', async ({ expect }) => {
    const { tidy, there, lines, failures } = aBench({ a: 'exited' });
    failures.set('a', new EngineSilent('away', 'ECONNREFUSED'));
    await expect(tidy()).rejects.toThrow(EngineSilent);
    failures.clear();
    await tidy();
    expect([[...there.keys()], lines]).toEqual([[], []]);
  });

  test('are looked at once at a time', async ({ expect }) => {
    const { tidy, asked } = aBench({ a: 'exited' });
    await Promise.all([tidy(), tidy()]);
    expect(asked).toEqual(['a']);
  });
});

/** An engine with these containers, whose jobs are over unless a test takes them out of `ended`. */
function aBench(containers: Readonly<Record<string, string>>) {
  const there = new Map(Object.entries(containers));
  const ended = new Set(there.keys());
  const known = new Set<string>();
  const failures = new Map<string, Error>();
  const asked: string[] = [];
  const lines: LoggedLine[] = [];
  const clock = createManualClock();
  const idOf = (ref: string) => ref.replace('.1', '');
  const strays = createStrays({
    clock,
    service: 'mine',
    log: logTo((line) => lines.push(line)),
    files: {
      readEnd: async (ref) => (ended.has(idOf(ref)) ? END : null),
      exists: async (ref) => known.has(idOf(ref)),
    },
    containers: {
      // As the engine: one that runs is removed by force only.
      remove: async (id, force) => {
        asked.push(id);
        const failure = failures.get(id);
        if (failure !== undefined) throw failure;
        return (force || there.get(id) !== 'running') && there.delete(id);
      },
    },
  });
  const listed = (): ListedContainer[] =>
    [...there].map(([id, status]) => ({ id, status, labels: labelsOf(id) }));
  return { there, ended, known, failures, asked, lines, clock, tidy: () => strays.tidy(listed()) };
}

function labelsOf(id: string) {
  return { 'dev.caliban.service': 'mine', 'dev.caliban.job': id, 'dev.caliban.attempt': '1' };
}
