import { describe, test } from 'vitest';
import { checkPart } from '../../../../../functions/core/check/check-part.ts';
import {
  type CheckStage,
  type CheckUnit,
  unitOf,
} from '../../../../../functions/core/check/check-stage.ts';
import type { Difference } from '../../../../../functions/core/check/difference.ts';
import { AppError } from '../../../../../shared/errors/app-error.ts';
import { DAMAGED } from '../../../../../shared/errors/damaged-database.ts';
import { coreDeps } from '../../../../doubles/builders.ts';

const DAMAGE = new AppError('DATA_DIR_UNUSABLE', 'cannot use it: malformed', { context: DAMAGED });
const OTHER = new AppError('DATA_DIR_UNUSABLE', 'cannot use it: forbidden');
const WRONG: Difference = {
  ...{ kind: 'job', subject: 'a job', ids: {}, found: 'x', expected: 'y', fix: 'z', basis: [] },
};

describe('a check of a damaged database', () => {
  test('ends a stage where it cannot be read, and goes on with the next', async ({ expect }) => {
    const stages = [stageOf('jobs', [aUnit('one'), DAMAGE]), stageOf('messages', [aUnit('two')])];
    const { differences, looked, next } = await checkPart(
      coreDeps(),
      { stages, pauseMs: 0 },
      undefined,
    );
    expect(differences.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['job', 'a job'],
      ['database', 'the stage jobs, from here on'],
      ['job', 'a job'],
    ]);
    expect(differences[1]?.found).toBe(DAMAGE.message);
    expect(looked).toEqual({ one: 1, two: 1 });
    expect(next).toBeUndefined();
  });

  test('tells a second look that fails, beside what the first one saw', async ({ expect }) => {
    const unit = { ...(await aUnit('one')), again: () => Promise.reject(DAMAGE) };
    const stages = [stageOf('jobs', [Promise.resolve(unit)])];
    const { differences } = await checkPart(coreDeps(), { stages, pauseMs: 0 }, undefined);
    expect(differences.map(({ kind }) => kind)).toEqual(['job', 'database']);
  });

  test('is not what another failure is taken for', async ({ expect }) => {
    const plan = { stages: [stageOf('jobs', [OTHER])], pauseMs: 0 };
    await expect(checkPart(coreDeps(), plan, undefined)).rejects.toBe(OTHER);
  });
});

function aUnit(name: string): Promise<CheckUnit> {
  return unitOf([name], { [name]: 1 }, async () => [WRONG]);
}

function stageOf(name: string, steps: readonly (Promise<CheckUnit> | AppError)[]): CheckStage {
  return {
    name,
    async *units() {
      for (const step of steps) {
        if (step instanceof AppError) throw step;
        yield await step;
      }
    },
  };
}
