import type { ContainerRecord } from './container-record.ts';
import type { ContainerFacts } from './containers.ts';

/** What an attempt's next step depends on. */
export interface Standing {
  readonly record: ContainerRecord | null;
  /** The recorded container, while it is there; else the one of the name that the attempt's next would have. Null: there is none. */
  readonly found: ContainerFacts | null;
  /** Whether the labels of `found` name this attempt. */
  readonly isOurs: boolean;
  readonly stopRequested: boolean;
  /** Why it can never be started, as far as this process knows. */
  readonly failure: string | null;
  /** The engine said that it did not start `found`, for a reason that may pass. */
  readonly isRefused: boolean;
  /** When the next container may be made (ms). */
  readonly notBefore: number;
  /** `found` may have run all the same when the engine says that it was never started. */
  readonly mayHaveRun: boolean;
  readonly now: number;
}

/**
 * What to do next. `create`, `adopt` (record what was found), `start`, `give-up` (record that it never ran), `remove`; `wait`: only
 * time tells; `running` and `exited`: it ran; `failed`, `unstarted`: it is over and did not run; `lost`: somebody removed it;
 * `forgotten`: it ran or may have, and the engine does not know any more.
 */
export type Step =
  | { readonly kind: 'create' | 'wait' | 'unstarted' | 'lost' | 'forgotten' }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'adopt' | 'start' | 'give-up' | 'remove' | 'running' | 'exited';
      readonly found: ContainerFacts;
    };

/**
 * How long a start whose answer was lost may be under way in the engine (ms). Until then nothing is concluded from a container that
 * does not run; after it the container is replaced rather than started again, so that a start that comes even later finds nothing.
 */
export const START_GRACE_MS = 10_000;

/** The next step of an attempt: a pure function, taken again after each step and each crash. No path starts a program twice. */
export function nextStep(standing: Standing): Step {
  const { found } = standing;
  if (found === null) return withoutContainer(standing);
  const record = recordFor(standing, found);
  if (record === null) return withUnrecorded(standing, found);
  if (found.startedAt !== null) {
    return { kind: IS_ALIVE.has(found.status) ? 'running' : 'exited', found };
  }
  if (record.stage === 'ran') return { kind: 'forgotten' };
  if (record.stage === 'given-up') return { kind: 'remove', found };
  // By somebody else.
  if (found.status === 'removing') return { kind: 'wait' };
  return withUnstarted(standing, record, found);
}

const IS_ALIVE: ReadonlySet<string> = new Set(['running', 'paused', 'restarting']);

// What was given up is gone: what is found is its successor, which a crash kept from being recorded.
function recordFor({ record }: Standing, found: ContainerFacts): ContainerRecord | null {
  return record?.stage === 'given-up' && record.id !== found.id ? null : record;
}

function withoutContainer(standing: Standing): Step {
  const { record, stopRequested, failure } = standing;
  if (record !== null && record.stage !== 'given-up') return { kind: 'lost' };
  if (stopRequested) return { kind: 'unstarted' };
  if (failure !== null) return { kind: 'failed', reason: failure };
  return { kind: standing.now < standing.notBefore ? 'wait' : 'create' };
}

function withUnrecorded({ isOurs }: Standing, found: ContainerFacts): Step {
  if (isOurs) return { kind: 'adopt', found };
  return { kind: 'failed', reason: 'another container has its name' };
}

function withUnstarted(standing: Standing, record: ContainerRecord, found: ContainerFacts): Step {
  const { failure, stopRequested, now } = standing;
  if (failure !== null && !stopRequested) return { kind: 'failed', reason: failure };
  if (record.stage === 'made') return { kind: stopRequested ? 'give-up' : 'start', found };
  if (failure !== null || standing.isRefused) return { kind: 'give-up', found };
  if (now - record.at < START_GRACE_MS) return { kind: 'wait' };
  return standing.mayHaveRun ? { kind: 'forgotten' } : { kind: 'give-up', found };
}
