/** Every state a job can be in (design: one table says which moves are legal; terminal states never change). */
export const JOB_STATES = [
  'QUEUED',
  'SUBMITTING',
  'SUBMITTED',
  'RUNNING',
  'UNKNOWN',
  'SUCCEEDED',
  'FAILED',
  'STOPPED',
] as const;

/** One of the eight states. Users see QUEUED and SUBMITTING as SUBMITTED (see {@link shownState}). */
export type JobState = (typeof JOB_STATES)[number];

// QUEUED again after SUBMITTING: the platform refused for now (quota), nothing was made.
// UNKNOWN is what a platform lost: any later observation moves it.
const NEXT = {
  QUEUED: ['SUBMITTING', 'FAILED', 'STOPPED'],
  SUBMITTING: ['QUEUED', 'SUBMITTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED'],
  SUBMITTED: ['RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED', 'UNKNOWN'],
  RUNNING: ['SUCCEEDED', 'FAILED', 'STOPPED', 'UNKNOWN'],
  UNKNOWN: ['SUBMITTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED'],
  SUCCEEDED: [],
  FAILED: [],
  STOPPED: [],
} as const satisfies Record<JobState, readonly JobState[]>;

/** States from which nothing moves. */
export type TerminalState = 'SUCCEEDED' | 'FAILED' | 'STOPPED';

/** Whether a job may move from one state to another; staying is not a move. */
export function isLegalMove(from: JobState, to: JobState): boolean {
  const next: readonly JobState[] = NEXT[from];
  return next.includes(to);
}

/** Whether the state is final. */
export function isTerminal(state: JobState): state is TerminalState {
  return NEXT[state].length === 0;
}

/** Whether the job holds, or may hold, something on its platform: it counts against the lane's `maxActive`. */
export function isActive(state: JobState): boolean {
  return state !== 'QUEUED' && !isTerminal(state);
}

/** The states of the original: what was accepted but is not running yet is SUBMITTED. */
export type ShownState = 'SUBMITTED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'STOPPED' | 'UNKNOWN';

/** The name a user sees for a state. */
export function shownState(state: JobState): ShownState {
  return state === 'QUEUED' || state === 'SUBMITTING' ? 'SUBMITTED' : state;
}
