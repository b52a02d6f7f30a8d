import { AppError } from '../../../shared/errors/app-error.ts';
import type { CoreDeps } from '../deps.ts';
import type { CheckStage, CheckUnit, Looked, Place } from './check-stage.ts';
import { damageOf } from './damage.ts';
import { confirmed, type Difference } from './difference.ts';

/** Where a check stands between two of its parts. */
export interface CheckPosition {
  readonly stage: string;
  /** Null: at the stage's beginning. */
  readonly after: Place | null;
}

/** What is checked, and how long to wait before a second look (ms); 0 where nobody writes. */
export interface CheckPlan {
  readonly stages: readonly CheckStage[];
  readonly pauseMs: number;
}

/** What one part of a check found; `next` undefined: that was all. */
export interface CheckedPart {
  readonly differences: readonly Difference[];
  readonly looked: Looked;
  readonly next: CheckPosition | undefined;
}

/** A part ends after so many things, so many differences, or so long (ms), whichever is first. */
const PART = { things: 5_000, differences: 500, ms: 2_000 } as const;

/**
 * Looks at the next part of the records. Records move while a service runs, and no two reads are of one instant: what
 * differs is looked at again after a pause, and told only if the same is found on the same versions. A stage that comes to what cannot be
 * read, because the database is damaged, ends with that; the next goes on. Writes nothing. Throws AppError CURSOR_INVALID for a stage that
 * is not in the plan.
 */
export async function checkPart(
  deps: Pick<CoreDeps, 'clock'>,
  { stages, pauseMs }: CheckPlan,
  at: CheckPosition | undefined,
): Promise<CheckedPart> {
  const startedAt = deps.clock.now();
  const looked: Record<string, number> = {};
  const suspects: CheckUnit[] = [];
  const next = await lookAround(stages, at, (unit) => {
    for (const [name, count] of Object.entries(unit.looked)) {
      looked[name] = (looked[name] ?? 0) + count;
    }
    if (unit.differences.length > 0) suspects.push(unit);
    return (
      total(Object.values(looked)) >= PART.things ||
      total(suspects.map(({ differences }) => differences.length)) >= PART.differences ||
      deps.clock.now() - startedAt >= PART.ms
    );
  });
  if (suspects.length > 0 && pauseMs > 0) await deps.clock.sleep(pauseMs);
  const differences: Difference[] = [];
  for (const unit of suspects) differences.push(...(await lookAgain(unit)));
  return { differences, looked, next };
}

// Unit after unit, stage after stage, until `isEnough`; gives where to go on.
async function lookAround(
  stages: readonly CheckStage[],
  at: CheckPosition | undefined,
  isEnough: (unit: CheckUnit) => boolean,
): Promise<CheckPosition | undefined> {
  const first = at === undefined ? 0 : stages.findIndex(({ name }) => name === at.stage);
  if (first === -1) throw unknownStage(at?.stage ?? '');
  let after = at?.after ?? null;
  for (const stage of stages.slice(first)) {
    for await (const unit of unitsOf(stage, after)) {
      const { place } = unit;
      if (isEnough(unit) && place !== UNREADABLE) return { stage: stage.name, after: place };
    }
    after = null;
  }
  return undefined;
}

// The place of what cannot be read: nothing of its stage comes behind it.
const UNREADABLE: Place = ['unreadable'];

async function* unitsOf(stage: CheckStage, after: Place | null): AsyncIterable<CheckUnit> {
  try {
    yield* stage.units(after);
  } catch (error) {
    const differences = [damageOf(error, `the stage ${stage.name}, from here on`)];
    yield { place: UNREADABLE, looked: {}, differences, again: async () => differences };
  }
}

async function lookAgain(unit: CheckUnit): Promise<readonly Difference[]> {
  try {
    return confirmed(unit.differences, await unit.again());
  } catch (error) {
    return [...unit.differences, damageOf(error, 'what was looked at again')];
  }
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function unknownStage(name: string): AppError {
  return new AppError('CURSOR_INVALID', `This check has no part ${JSON.stringify(name)}.`, {
    hint: 'Send `next` of an answer to the same question, or none to begin.',
  });
}
