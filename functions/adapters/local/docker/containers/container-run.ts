import type { Cause } from '../../../../../shared/jobs/cause.ts';
import type { Clock } from '../../../../ports/runtime.ts';
import type { AttemptFiles } from '../../attempts/attempt-files.ts';
import { EngineRefusal } from '../engine/engine-call.ts';
import { containerName, refOfLabels } from './container-names.ts';
import { containerOptions } from './container-options.ts';
import { type ContainerOutput, lastOutput } from './container-output.ts';
import { type ContainerRecord, writeRecord } from './container-record.ts';
import { nextStep, type Step } from './container-step.ts';
import {
  type ContainerLimits,
  causeOfExit,
  imageGone,
  LOST,
  notStarted,
} from './container-verdict.ts';
import type { ContainerFacts, Containers } from './containers.ts';
import type { DockerAttempt } from './docker-attempt.ts';

/** What taking an attempt further needs. */
export interface RunDeps {
  readonly files: AttemptFiles;
  readonly containers: Containers;
  readonly output: ContainerOutput;
  readonly clock: Clock;
  readonly service: string;
  readonly limits: ContainerLimits;
  readonly maxLogBytes: number;
  readonly maxProcesses: number;
  readonly closing: AbortSignal;
}

/** Where an attempt stands after all that could be done now. `ended`: unless a stop was asked for, for this cause. */
export type Progress =
  | { readonly kind: 'pending' }
  | { readonly kind: 'running'; readonly id: string; readonly startedAt: number }
  | {
      readonly kind: 'ended';
      readonly startedAt: number | null;
      readonly at: number;
      readonly exitCode: number | null;
      readonly cause: Cause;
    };

// Every step is taken once, or a second time for a container that replaces another.
const MAX_STEPS = 20;

/**
 * Takes an attempt as far as it goes now: looks at its container, takes the next step, looks again. What it did is in the attempt's
 * directory before the engine is asked for more. Throws EngineSilent, and what files throw; then nothing is concluded.
 */
export async function advance(deps: RunDeps, attempt: DockerAttempt): Promise<Progress> {
  for (let taken = 0; taken < MAX_STEPS; taken++) {
    const found = await deps.containers.inspect(attempt.record?.id ?? nameOf(deps, attempt));
    const step = nextStep({
      record: attempt.record,
      found,
      isOurs: found !== null && refOfLabels(deps.service, found.labels) === attempt.ref,
      stopRequested: attempt.stopRequested,
      failure: attempt.failure,
      now: deps.clock.now(),
    });
    const progress = await take(deps, attempt, step);
    if (progress !== null) return progress;
  }
  throw new Error(`Attempt ${attempt.ref} gets nowhere in ${MAX_STEPS} steps.`);
}

/** Takes the step; null: look again. */
async function take(deps: RunDeps, attempt: DockerAttempt, step: Step): Promise<Progress | null> {
  switch (step.kind) {
    case 'wait':
      return PENDING;
    case 'failed':
      return neverRan(deps, notStarted(step.reason));
    case 'unstarted':
      return neverRan(deps, UNSTARTED);
    case 'lost':
      await deps.output.giveUp(attempt);
      return { ...neverRan(deps, LOST), startedAt: startOf(attempt) };
    case 'running':
      await confirmRun(deps, attempt, step.found);
      return {
        kind: 'running',
        id: step.found.id,
        startedAt: attempt.startedAt ?? deps.clock.now(),
      };
    case 'exited':
      await confirmRun(deps, attempt, step.found);
      return exited(deps, attempt, step.found);
    case 'create':
      return create(deps, attempt);
    case 'adopt':
      return record(deps, attempt, { id: step.found.id, stage: 'made' });
    case 'start':
      return start(deps, attempt, step.found.id);
    case 'give-up':
      return record(deps, attempt, { id: step.found.id, stage: 'given-up' });
    case 'remove':
      await deps.output.stop(attempt);
      await deps.containers.remove(step.found.id, false);
      return null;
  }
}

/** Why it never ran when it was stopped; a stop hides it. */
export const UNSTARTED: Cause = notStarted('it was stopped');

const PENDING: Progress = { kind: 'pending' };

/** The end of an attempt whose program nobody started. */
export function neverRan(deps: Pick<RunDeps, 'clock'>, cause: Cause) {
  return { kind: 'ended', startedAt: null, at: deps.clock.now(), exitCode: null, cause } as const;
}

// The engine's word is lost with the container; ours is when it was asked to start it.
function startOf({ startedAt, record: known }: DockerAttempt): number | null {
  return startedAt ?? (known?.stage === 'start-sent' ? known.at : null);
}

async function create(deps: RunDeps, attempt: DockerAttempt): Promise<Progress | null> {
  if (deps.closing.aborted) return PENDING;
  const { job, damage } = attempt.spec;
  if (damage !== undefined) {
    attempt.failure = damage;
    return null;
  }
  const image = job.run.kind === 'image' ? job.run.digest : '';
  const hasEntrypoint = await deps.containers.hasEntrypoint(image);
  if (hasEntrypoint === null) {
    attempt.failure = imageGone(image);
    return null;
  }
  const options = containerOptions(job, { ...deps, image, hasEntrypoint });
  const id = await unlessRefused(attempt, () =>
    deps.containers.create(nameOf(deps, attempt), options),
  );
  return id === null ? null : record(deps, attempt, { id, stage: 'made' });
}

// The order matters: the output is caught from the first byte on, and a crash after the record never starts it again.
async function start(deps: RunDeps, attempt: DockerAttempt, id: string): Promise<Progress | null> {
  if (deps.closing.aborted) return PENDING;
  await deps.output.attach(attempt, id);
  await record(deps, attempt, { id, stage: 'start-sent' });
  await unlessRefused(attempt, () => deps.containers.start(id));
  return null;
}

async function record(
  deps: RunDeps,
  attempt: DockerAttempt,
  made: Pick<ContainerRecord, 'id' | 'stage'>,
): Promise<null> {
  const next = { ...made, at: deps.clock.now() };
  await writeRecord(deps.files.directory(attempt.ref), next);
  attempt.record = next;
  return null;
}

// It may be seen to run although it was given up, or never asked to start: then it must not be replaced.
async function confirmRun(
  deps: RunDeps,
  attempt: DockerAttempt,
  found: ContainerFacts,
): Promise<void> {
  // The engine's clock may lag behind ours by some milliseconds.
  attempt.startedAt ??= Math.max(found.startedAt ?? 0, attempt.spec.createdAt);
  if (attempt.record?.stage === 'start-sent') return;
  await record(deps, attempt, { id: found.id, stage: 'start-sent' });
}

async function exited(
  deps: RunDeps,
  attempt: DockerAttempt,
  found: ContainerFacts,
): Promise<Progress> {
  if (!(await deps.output.complete(attempt, found))) return PENDING;
  // That it ran out of memory may be told a little later than that it has exited.
  const { outOfMemory } = (await deps.containers.inspect(found.id)) ?? found;
  const last = await lastOutput(deps.files.directory(attempt.ref));
  return {
    kind: 'ended',
    startedAt: attempt.startedAt,
    at: found.finishedAt ?? deps.clock.now(),
    exitCode: found.exitCode,
    cause: causeOfExit({ ...found, outOfMemory }, deps.limits, last),
  };
}

async function unlessRefused<T>(attempt: DockerAttempt, call: () => Promise<T>): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof EngineRefusal)) throw error;
    attempt.failure = error.message;
    return null;
  }
}

function nameOf(deps: RunDeps, attempt: DockerAttempt): string {
  return containerName(deps.service, attempt.spec.job);
}
