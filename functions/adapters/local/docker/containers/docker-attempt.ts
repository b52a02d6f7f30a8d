import type { AttemptSpec } from '../../attempts/attempt-record.ts';
import { newScheduled, type ScheduledAttempt } from '../../attempts/attempt-scheduler.ts';
import type { ContainerRecord } from './container-record.ts';
import { type Keeping, notKept } from './kept-files.ts';
import type { Capture } from './log-capture.ts';

/** One attempt that the keeper of containers looks after. */
export interface DockerAttempt extends ScheduledAttempt {
  /** As in its directory. */
  record: ContainerRecord | null;
  /** By the engine's clock. */
  startedAt: number | null;
  /** When this process first saw it run, by our own clock. */
  seenRunningAt: number | null;
  stopRequested: boolean;
  /** A container of its name may exist that is in no record. */
  mayExist: boolean;
  /** Why it can never be started. */
  failure: string | null;
  /** The engine refused to create or start its container for a reason that may pass: since when, how often, and when to try again. */
  refusals: { readonly since: number; readonly count: number; readonly again: number } | null;
  /** The container whose start it refused so. */
  refusedId: string | null;
  /** Whether the engine that has the container is the one that made it, as first asked; null: not asked. */
  isRemembered: boolean | null;
  /** When it got its TERM. */
  termSentAt: number | null;
  /** The copying of its output that is under way. */
  capture: Capture | null;
  /** When the stream that had its output from the first byte on has ended by itself. */
  capturedAt: number | null;
  /** How often its output could not be copied to the end, and when it is tried again. */
  captureFailures: number;
  captureAgainAt: number;
  /** Its log has all that its container printed, as far as that can be had. */
  isLogComplete: boolean;
  /** Lines of ours that end its log. */
  readonly remarks: Set<string>;
  /** How far the keeping of its files is. */
  readonly keeping: Keeping;
}

/** An attempt that nothing is known of but what it is made from. */
export function newDockerAttempt(ref: string, spec: AttemptSpec): DockerAttempt {
  return {
    ...newScheduled(),
    ref,
    spec,
    record: null,
    startedAt: null,
    seenRunningAt: null,
    stopRequested: false,
    mayExist: false,
    failure: null,
    refusals: null,
    refusedId: null,
    isRemembered: null,
    termSentAt: null,
    capture: null,
    capturedAt: null,
    captureFailures: 0,
    captureAgainAt: 0,
    isLogComplete: false,
    remarks: new Set(),
    keeping: notKept(),
  };
}
