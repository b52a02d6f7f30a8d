/** Median of some timings (ms). */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('nothing was measured');
  return middle;
}

/** How long a run takes (ms). */
export async function timed(body: () => unknown): Promise<number> {
  const startedAt = performance.now();
  await body();
  return performance.now() - startedAt;
}

/**
 * Runs several subjects turn by turn, so that a busy moment of the machine hits all alike, and gives the median of each (ms). The
 * first round warms up and does not count.
 */
export async function compare(
  rounds: number,
  subjects: Readonly<Record<string, () => unknown>>,
): Promise<Record<string, number>> {
  const times: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [name, body] of Object.entries(subjects)) {
      const ms = await timed(body);
      if (round > 0) times[name] = [...(times[name] ?? []), ms];
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}

/** One line of a result: what, the ratio, and what it is measured against. */
export function report(what: string, ratio: number, details: string): void {
  console.log(`${what}: ${ratio.toFixed(2)} (${details})`);
}
