/**
 * Why a job moved, as stable codes; `message` is for people and names the value and what to do.
 * Codes are API: add freely, never rename.
 */
export const CAUSE_CODES = [
  'accepted', // created by an accepted submission
  'waiting-for-image', // its dependencies are being prepared
  'image-failed', // its dependencies could not be prepared; never started
  'expansion-failed', // its experiments could not be written down; what was waiting is ended
  'at-the-gate', // waits for its turn on the lane
  'waiting-for-quota', // the platform refused for now; asked again later
  'claimed', // a drainer took it
  'claim-taken-over', // an earlier drainer's outcome is unknown; being found out
  'adopted', // found on the platform after an unknown outcome
  'submitted', // the platform took it
  'started', // the platform reports it running
  'succeeded', // exit status 0
  'exit-code', // the program ended with another status
  'out-of-memory', // killed for memory, as reported by the platform
  'preempted', // the platform took the machine away
  'supervisor-killed', // its supervisor died; the program was ended and its status is lost
  'machine-restarted', // killed with the machine
  'refused', // the platform refused for good
  'stop-requested', // a person asked
  'lost', // the platform no longer knows it
  'platform', // anything else a platform says, in its words
] as const;

/** A code of {@link CAUSE_CODES}. */
export type CauseCode = (typeof CAUSE_CODES)[number];

/** Why a job is where it is. */
export interface Cause {
  readonly code: CauseCode;
  /** One sentence a researcher can act on. */
  readonly message: string;
}

/** The cause of a program that ended by itself; a status above 128 is shown with the signal it may stand for. */
export function exitCause(exitCode: number): Cause {
  if (exitCode === 0) return { code: 'succeeded', message: 'Exit code 0.' };
  const signal = exitCode > 128 ? SIGNALS[exitCode - 128] : undefined;
  const possible = signal === undefined ? '' : ` (possibly ended by signal ${signal})`;
  return { code: 'exit-code', message: `Exit code ${exitCode}${possible}.` };
}

// Linux and macOS agree on these numbers (signal(7)); others differ and are not named.
const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
};
