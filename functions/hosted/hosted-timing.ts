import { DEFAULT_TIMING, type Timing } from '../core/timing.ts';

/**
 * Durations where each look costs a read or an instance's time: builds tell when they end, and a lane with no place free is woken by
 * the sync that frees one.
 */
export const HOSTED_TIMING: Timing = {
  ...DEFAULT_TIMING,
  idleWaitMs: 2_000,
  buildPollMs: 5_000,
  stopRepeatMs: 5_000,
};

/** Between two ticks of the scheduler. */
export const TICK_MS = 60_000;
