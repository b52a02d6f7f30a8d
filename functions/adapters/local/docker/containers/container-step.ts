import type { ContainerRecord } from './container-record.ts';
import type { ContainerFacts } from './containers.ts';

/** What an attempt's next step depends on. */
export interface Standing {
  readonly record: ContainerRecord | null;
  /** The recorded container; without a record, the one of the attempt's name. Null: there is none. */
  readonly found: ContainerFacts | null;
  /** Whether the labels of `found` name this attempt. */
  readonly isOurs: boolean;
  readonly stopRequested: boolean;
  /** Why the engine refused to create or start it, as far as this process knows. */
  readonly failure: string | null;
  readonly now: number;
}

/**
 * What to do next. `create`, `adopt` (record what was found), `start`, `give-up` (record that it never ran), `remove`; `wait`: only
 * time tells; `running` and `exited`: it ran; `failed`, `unstarted`, `lost`: it is over and did not run, or nobody knows any more.
 */
export type Step =
  | { readonly kind: 'create' | 'wait' | 'unstarted' | 'lost' }
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
  const { record, found } = standing;
  if (found === null) return withoutContainer(standing);
  if (record === null) return withUnrecorded(standing, found);
  if (found.startedAt !== null) {
    return { kind: IS_ALIVE.has(found.status) ? 'running' : 'exited', found };
  }
  if (record.stage === 'given-up') return { kind: 'remove', found };
  // By somebody else.
  if (found.status === 'removing') return { kind: 'wait' };
  return withUnstarted(standing, record, found);
}

const IS_ALIVE: ReadonlySet<string> = new Set(['running', 'paused', 'restarting']);

function withoutContainer({ record, stopRequested, failure }: Standing): Step {
  if (record !== null && record.stage !== 'given-up') return { kind: 'lost' };
  if (stopRequested) return { kind: 'unstarted' };
  return failure === null ? { kind: 'create' } : { kind: 'failed', reason: failure };
}

function withUnrecorded({ isOurs }: Standing, found: ContainerFacts): Step {
  if (isOurs) return { kind: 'adopt', found };
  return { kind: 'failed', reason: 'another container has its name' };
}

function withUnstarted(standing: Standing, record: ContainerRecord, found: ContainerFacts): Step {
  const failure = found.error === '' ? standing.failure : found.error;
  if (failure !== null && !standing.stopRequested) return { kind: 'failed', reason: failure };
  if (record.stage === 'made') return { kind: standing.stopRequested ? 'give-up' : 'start', found };
  const isSettled = failure !== null || standing.now - record.at >= START_GRACE_MS;
  return isSettled ? { kind: 'give-up', found } : { kind: 'wait' };
}
