/** What ended so quickly, and so lately (ms), says how much starts within as long. */
const MOMENT_MS = 500;
/** Attempts that may wait for each slot, at most. */
const AHEAD_EACH = 8;

/** Remembers the ends of attempts that ran for a moment only. */
export interface QuickEnds {
  add(end: { readonly startedAt: number | null; readonly finishedAt: number }, now: number): void;
  /** How many attempts may wait without a slot, because they will have one within a moment. */
  ahead(now: number): number;
}

/** No end yet. */
export function createQuickEnds(slots: number): QuickEnds {
  let ends: number[] = [];
  return {
    add({ startedAt, finishedAt }, now) {
      if (startedAt !== null && finishedAt - startedAt < MOMENT_MS) ends.push(now);
    },
    ahead(now) {
      ends = ends.filter((at) => at >= now - MOMENT_MS);
      return Math.min(ends.length, AHEAD_EACH * slots);
    },
  };
}
