/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('nothing was measured');
  return value;
}

/** How long a run takes (ms). */
export async function timed(body: () => unknown): Promise<number> {
  const startedAt = performance.now();
  await body();
  return performance.now() - startedAt;
}

/**
 * Runs several subjects turn by turn, so that a busy moment of the machine hits all alike, and gives all times of each (ms). The
 * first round warms up and does not count, unless it is the only one.
 */
export async function rounds(
  count: number,
  subjects: Readonly<Record<string, () => unknown>>,
): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = {};
  const warmUp = count > 1 ? 1 : 0;
  for (let round = 0; round < count + warmUp; round++) {
    for (const [name, body] of Object.entries(subjects)) {
      const ms = await timed(body);
      if (round >= warmUp) times[name] = [...(times[name] ?? []), ms];
    }
  }
  return times;
}

/** As `rounds`, the best of each: what others do to the machine only ever takes longer. */
export async function compare(
  count: number,
  subjects: Readonly<Record<string, () => unknown>>,
): Promise<Record<string, number>> {
  const times = await rounds(count, subjects);
  return Object.fromEntries(
    Object.entries(times).map(([name, values]) => [name, Math.min(...values)]),
  );
}

/** One line of the table. */
export interface Result {
  readonly what: string;
  readonly ratio: number;
  /** What the ratio or the measure should be; none where only the order of magnitude is told. */
  readonly target?: string;
  readonly measured: string;
  /** What it was measured against, in the same run. */
  readonly baseline: string;
}

/** Prints a line of the table that scripts/bench.ts begins. */
export function report({ what, ratio, target = '', measured, baseline }: Result): void {
  console.log(`| ${what} | ${ratio.toFixed(2)} | ${target} | ${measured} | ${baseline} |`);
}

/** A duration as people read it. */
export function ms(value: number): string {
  if (value >= 10_000) return `${(value / 1_000).toFixed(1)} s`;
  return value >= 10 ? `${value.toFixed(0)} ms` : `${value.toFixed(2)} ms`;
}
