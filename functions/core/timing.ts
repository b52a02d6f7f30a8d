/** Every duration of the core (ms), injected so that tests can shrink and the simulator can stretch them. */
export interface Timing {
  /** A drainer's slice, and its lease on the lane (longer than a slice, renewed halfway). */
  readonly sliceMs: number;
  readonly leaseMs: number;
  /** How old a drainer's list of open submissions may be. */
  readonly openListMs: number;
  /** How much of a lane's rate is reserved at once. */
  readonly blockMs: number;
  /** Allowance for clocks that disagree. */
  readonly skewMs: number;
  /** Waits of a slice that has nothing to do right now. */
  readonly idleWaitMs: number;
  /** Counts older than this are recomputed on read. */
  readonly countsMs: number;
  /** Between two looks at a build, and at layers that are being verified. */
  readonly buildPollMs: number;
  /** Between two passes of an unfinished stop. */
  readonly stopRepeatMs: number;
  /** When tick suspects that a message was lost. */
  readonly repairAfterMs: number;
  /** When an active job that the platform's list does not show is looked up by itself. */
  readonly missingAfterMs: number;
  /** When an UNKNOWN job becomes FAILED. */
  readonly lostAfterMs: number;
}

/** The durations of both hosts. */
export const DEFAULT_TIMING: Timing = {
  sliceMs: 50_000,
  leaseMs: 70_000,
  openListMs: 2_000,
  blockMs: 5_000,
  skewMs: 2_000,
  idleWaitMs: 1_000,
  countsMs: 2_000,
  buildPollMs: 1_000,
  stopRepeatMs: 2_000,
  repairAfterMs: 60_000,
  missingAfterMs: 120_000,
  lostAfterMs: 7 * 24 * 3_600_000,
};
