import { type Cause, exitCause } from '../../../../shared/jobs/cause.ts';
import { attemptEnd } from '../attempts/attempt-end.ts';
import type { AttemptEnd } from '../attempts/attempt-record.ts';

/** What is known of an attempt that is over. `at`: when it ended, or when that was found out. */
export interface EndFacts {
  readonly startedAt: number | null;
  readonly at: number;
  readonly stopRequested: boolean;
  readonly how:
    | { readonly kind: 'exited'; readonly exitCode: number }
    | { readonly kind: 'supervisor-gone'; readonly rebooted: boolean }
    /** The machine restarted before its supervisor's word was on disk. */
    | { readonly kind: 'unseen' }
    | { readonly kind: 'not-started'; readonly reason: string };
}

/** The end of an attempt. Whatever ends after a stop was asked for is STOPPED. */
export function endOf({ how, ...facts }: EndFacts): AttemptEnd {
  const exitCode = how.kind === 'exited' ? how.exitCode : null;
  return attemptEnd({ ...facts, exitCode, cause: causeOf(how) });
}

function causeOf(how: EndFacts['how']): Cause {
  switch (how.kind) {
    case 'exited':
      return exitCause(how.exitCode);
    case 'not-started':
      return { code: 'platform', message: `The program could not be started: ${how.reason}` };
    case 'unseen':
      return UNSEEN;
    case 'supervisor-gone':
      return how.rebooted ? REBOOTED : KILLED;
  }
}

const REBOOTED: Cause = {
  code: 'machine-restarted',
  message: 'Killed with the machine, which restarted while the job ran; resubmit it.',
};

const UNSEEN: Cause = {
  code: 'machine-restarted',
  message:
    'The machine restarted while the job was being started; it may have run for a moment. Resubmit it.',
};

const KILLED: Cause = {
  code: 'supervisor-killed',
  message:
    "The job's supervisor was killed (by hand, or for lack of memory); the program was ended, its exit status is lost.",
};
