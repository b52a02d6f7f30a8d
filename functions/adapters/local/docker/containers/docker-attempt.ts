import type { TrackedAttempt } from '../../attempts/attempt-platform.ts';
import type { AttemptEnd, AttemptSpec } from '../../attempts/attempt-record.ts';
import type { ContainerRecord } from './container-record.ts';
import type { Capture } from './log-capture.ts';

/** One attempt that the keeper of containers looks after. `starting` and `running` hold a slot. */
export interface DockerAttempt extends TrackedAttempt {
  phase: TrackedAttempt['phase'];
  end: AttemptEnd | null;
  endSeenAt: number;
  /** As in its directory. */
  record: ContainerRecord | null;
  startedAt: number | null;
  stopRequested: boolean;
  /** A container of its name may exist that is in no record. */
  mayExist: boolean;
  /** Why the engine refused to create or start its container. */
  failure: string | null;
  /** When it got its TERM. */
  termSentAt: number | null;
  /** The copying of its output that is under way. */
  capture: Capture | null;
  /** When the stream that had its output from the first byte on has ended by itself. */
  capturedAt: number | null;
  /** How often its output could not be copied to the end, and when it is tried again. */
  captureFailures: number;
  captureAgainAt: number;
  checking: Promise<void>;
  /** How many looks at it are under way, or wait for their turn. */
  looks: number;
}

/** An attempt that nothing is known of but what it is made from. */
export function newDockerAttempt(ref: string, spec: AttemptSpec): DockerAttempt {
  return {
    ref,
    spec,
    phase: 'waiting',
    end: null,
    endSeenAt: 0,
    record: null,
    startedAt: null,
    stopRequested: false,
    mayExist: false,
    failure: null,
    termSentAt: null,
    capture: null,
    capturedAt: null,
    captureFailures: 0,
    captureAgainAt: 0,
    checking: Promise.resolve(),
    looks: 0,
  };
}
