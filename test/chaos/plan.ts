import { World } from '../sim/world.ts';

/** What the service is doing when it is killed. */
export type Phase =
  | 'upload'
  | 'accept'
  | 'expansion'
  | 'drain'
  | 'shutdown'
  | 'start'
  | 'stop'
  | 'anytime';

/** Every run kills in each of these. */
export const REQUIRED = ['upload', 'accept', 'expansion', 'drain', 'shutdown'] as const;
const OTHERS = ['accept', 'expansion', 'drain', 'shutdown', 'start', 'stop', 'anytime'] as const;

/** Where within its phase a kill is aimed. */
const AIMS = {
  upload: ['half a body', 'verification'],
  accept: ['half a request', 'the commit', 'the reply'],
  expansion: ['a chunk'],
  drain: ['a claim', 'a submit', 'a run'],
  shutdown: ['open connection', 'at once'],
  start: ['before it listens'],
  stop: ['the wish'],
  anytime: ['http', 'cli'],
} as const satisfies Record<Phase, readonly string[]>;

/**
 * When a supervisor is killed: as soon as it started, while its program runs, while no service runs, or about when its program
 * ends by itself.
 */
export type VictimMoment = 'early' | 'running' | 'service down' | 'racing';

/** One experiment: the program sleeps so long after it wrote its line. */
export interface Point {
  readonly doze: number;
  readonly n: number;
  /** Its supervisor will be killed; null: it is left alone. */
  readonly victim: { readonly moment: VictimMoment; readonly delayMs: number } | null;
}

/** Experiments that are submitted together. */
export interface Sweep {
  /** Unique; the name and the Idempotency-Key of the submission. */
  readonly name: string;
  readonly group: string;
  readonly points: readonly Point[];
  readonly fate: 'runs' | 'is stopped';
}

/** One kill of the service and what leads to it. */
export interface Act {
  readonly phase: Phase;
  readonly aim: string;
  readonly sweep: Sweep;
  /** Between the end of the last act and this one. */
  readonly pauseMs: number;
  /** Within the act, where its phase leaves a choice. */
  readonly delayMs: number;
  /** How long no service runs afterwards. */
  readonly downMs: number;
  /** How much of whatever the phase goes through is done before the kill, in (0, 1). */
  readonly share: number;
}

/** Everything that a seed decides. */
export interface Plan {
  readonly seed: number;
  readonly slots: number;
  /** When the very first start, in an empty directory, is killed. */
  readonly firstStartMs: number;
  /** Submitted by the real CLI before the first kill. */
  readonly opening: Sweep;
  readonly acts: readonly Act[];
}

/** How large a run is. */
export interface PlanOptions {
  readonly seed: number;
  /** Jobs that are to run; those of a sweep that is stopped come on top. */
  readonly jobs: number;
  readonly kills: number;
  readonly supervisors: number;
}

/** A program that sleeps so long does not end by itself while the test runs. */
export const ENDLESS_SECONDS = 900;
const STOPPED_JOBS = 6;

/** The decisions of a seed: the same options give the same plan. */
export function planOf(options: PlanOptions): Plan {
  const dice = new World(options.seed);
  const phases = phasesOf(dice, options.kills);
  const sizes = sizesOf(dice, options.jobs, ['opening', ...phases]);
  const victims = victimsOf(dice, options, sizes[0] ?? 0);
  let first = 0;
  const next = (name: string, phase: Phase | 'opening', at: number): Sweep => {
    const from = first;
    first += sizes[at] ?? 0;
    return sweepOf(dice, { name: `${options.seed}-${name}`, phase, from, to: first, victims });
  };
  const opening = next('opening', 'opening', 0);
  const acts = phases.map((phase, at): Act => {
    const sweep = next(`${at + 1}-${phase}`, phase, at + 1);
    return {
      phase,
      sweep,
      aim: dice.pick<string>(AIMS[phase]),
      pauseMs: dice.between(0, 400),
      delayMs: dice.between(0, 1_500),
      downMs: dice.between(0, 400),
      share: 0.1 + 0.8 * dice.next(),
    };
  });
  const slots = dice.between(3, 10);
  return { seed: options.seed, slots, firstStartMs: dice.between(50, 300), opening, acts };
}

/** A few more experiments like those of an act, for when its kill missed what it was aimed at. */
export function anotherSweep(sweep: Sweep, attempt: number): Sweep {
  const quick = sweep.fate === 'runs' ? { doze: 0, victim: null } : {};
  const points = sweep.points.slice(0, 2).map((point) => ({ ...point, ...quick }));
  return { ...sweep, name: `${sweep.name}-again${attempt}`, points };
}

/** The experiment config of a sweep. */
export function configOf({ points }: Sweep): string {
  return JSON.stringify(points.map(({ doze, n }) => ({ doze, n })));
}

/** The flags of a point as its program gets them. */
export function flagsOf({ doze, n }: Point): readonly string[] {
  return ['--doze', String(doze), '--n', String(n)];
}

function phasesOf(dice: World, kills: number): readonly Phase[] {
  const more = Array.from({ length: Math.max(0, kills - REQUIRED.length) }, () =>
    dice.pick<Phase>(OTHERS),
  );
  return shuffled(dice, [...REQUIRED, ...more]);
}

function shuffled<T>(dice: World, items: readonly T[]): readonly T[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(dice.between(0, rest.length - 1), 1));
}

// An expansion that is to be interrupted between two chunks has more than one.
function sizesOf(
  dice: World,
  jobs: number,
  phases: readonly (Phase | 'opening')[],
): readonly number[] {
  const longest = phases.indexOf('expansion');
  const weights = phases.map((phase, at) => {
    if (phase === 'stop') return 0;
    return (at === longest ? 3 * phases.length : 1) * (0.75 + dice.next() / 2);
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const sizes = weights.map((weight) =>
    weight === 0 ? 0 : Math.max(1, Math.floor((jobs * weight) / sum)),
  );
  const missing = jobs - sizes.reduce((total, size) => total + size, 0);
  const largest = sizes.indexOf(Math.max(...sizes));
  return sizes.map((size, at) => (at === largest ? Math.max(1, size + missing) : size));
}

// Half of them among the first jobs, which run while the first kills come.
function victimsOf(
  dice: World,
  { jobs, supervisors }: PlanOptions,
  opening: number,
): ReadonlySet<number> {
  const victims = new Set<number>();
  while (victims.size < Math.min(supervisors, jobs)) {
    const isEarly = victims.size % 2 === 0 && victims.size < opening;
    victims.add(dice.between(0, (isEarly ? opening : jobs) - 1));
  }
  return victims;
}

function sweepOf(
  dice: World,
  from: {
    readonly name: string;
    readonly phase: Phase | 'opening';
    readonly from: number;
    readonly to: number;
    readonly victims: ReadonlySet<number>;
  },
): Sweep {
  const { name, phase, victims } = from;
  if (phase === 'stop') {
    const points = Array.from({ length: STOPPED_JOBS }, (_, n) => ({
      doze: ENDLESS_SECONDS,
      n,
      victim: null,
    }));
    return { name, group: name, points, fate: 'is stopped' };
  }
  const points = Array.from({ length: from.to - from.from }, (_, at) =>
    pointOf(dice, from.from + at, victims.has(from.from + at)),
  );
  return { name, group: dice.pick(['ada', 'bob', 'eve']), points, fate: 'runs' };
}

function pointOf(dice: World, n: number, isVictim: boolean): Point {
  const doze = dice.chance(0.2) ? dice.between(1, 6) / 10 : 0;
  if (!isVictim) return { doze, n, victim: null };
  const moment = dice.pick<VictimMoment>(['early', 'running', 'service down', 'racing']);
  const victim = { moment, delayMs: dice.between(0, 600) };
  if (moment !== 'racing') return { doze: ENDLESS_SECONDS, n, victim };
  return { doze: Math.max(doze, 0.1), n, victim: { moment, delayMs: Math.max(doze, 0.1) * 1_000 } };
}
