import { describe, test } from 'vitest';
import { refuseBeyondMachine } from '../../../../../../../functions/adapters/local/docker/engine/machine-limits.ts';
import { openFakeEngine } from '../../../../../../fixtures/fake-engine.ts';

const GIBIBYTE = 1024 ** 3;
const SMALL = { NCPU: 2, MemTotal: 23.5 * GIBIBYTE + 5000 };

describe('refuseBeyondMachine', () => {
  test.for([
    [{ cpus: 1000, memoryBytes: null }, '--job_cpus 1000', '2 processors', '--job_cpus 2.'],
    [
      { cpus: 2, memoryBytes: 500 * GIBIBYTE },
      '--job_memory 500g',
      '24064m of memory',
      '--job_memory 24064m.',
    ],
  ] as const)('refuses %j with what the engine has', async ([limits, flag, has, fix], t) => {
    const { engine, answers } = await openFakeEngine(t.onTestFinished);
    answers.set('GET /info', [200, SMALL]);
    await t.expect(refuseBeyondMachine(engine, limits)).rejects.toMatchObject({
      code: 'SERVE_REFUSED',
      message: `${flag} is more than the machine of the Docker engine has: ${has}.`,
      hint: t.expect.stringContaining(fix),
    });
  });

  test('takes what the engine has, and everything where the engine does not know', async (t) => {
    const { engine, answers } = await openFakeEngine(t.onTestFinished);
    answers.set('GET /info', [200, SMALL]);
    await refuseBeyondMachine(engine, { cpus: 2, memoryBytes: SMALL.MemTotal });
    answers.set('GET /info', [200, { NCPU: 0 }]);
    await refuseBeyondMachine(engine, { cpus: 64, memoryBytes: 500 * GIBIBYTE });
  });

  test('asks nothing without limits, and tells what keeps the engine from saying it', async (t) => {
    const { engine, answers, asked, close } = await openFakeEngine(t.onTestFinished);
    await refuseBeyondMachine(engine, { cpus: null, memoryBytes: null });
    t.expect(asked).toEqual([]);
    const limits = { cpus: 1, memoryBytes: null };
    answers.set('GET /info', [500, { message: 'no cgroups' }]);
    await t.expect(refuseBeyondMachine(engine, limits)).rejects.toMatchObject({
      code: 'SERVE_REFUSED',
      message: t.expect.stringContaining('no cgroups'),
    });
    await close();
    await t
      .expect(refuseBeyondMachine(engine, limits))
      .rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
