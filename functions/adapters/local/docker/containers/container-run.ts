import type { Cause } from '../../../../../shared/jobs/cause.ts';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import { EngineRefusal } from '../engine/engine-call.ts';
import { containerName, refOfLabels, voidName } from './container-names.ts';
import { containerOptions } from './container-options.ts';
import type { ContainerOutput } from './container-output.ts';
import type { ContainerRecord } from './container-record.ts';
import { nextStep, type Step } from './container-step.ts';
import {
  type ContainerLimits,
  causeOfExit,
  FORGOTTEN,
  imageGone,
  isOfJob,
  LOST,
  notStarted,
  REMOVED,
} from './container-verdict.ts';
import type { ContainerFacts, Containers } from './containers.ts';
import type { DockerAttempt } from './docker-attempt.ts';
import type { KeptFiles } from './kept-files.ts';

/** What taking an attempt further needs. */
export interface RunDeps {
  readonly containers: Containers;
  readonly output: ContainerOutput;
  readonly kept: KeptFiles;
  /** Writes down durably how far an attempt's container got. */
  readonly saveRecord: (ref: string, record: ContainerRecord) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
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

/** How long trouble of the machine is waited for (ms), and between two tries. */
const HOST_PATIENCE_MS = 3_600_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
// Every step is taken once, or a second time for a container that replaces another.
const MAX_STEPS = 20;

/**
 * Takes an attempt as far as it goes now: looks at its container, takes the next step, looks again. What it did is in the attempt's
 * directory before the engine is asked for more. Throws EngineSilent, and what files throw; then nothing is concluded.
 */
export async function advance(deps: RunDeps, attempt: DockerAttempt): Promise<Progress> {
  for (let taken = 0; taken < MAX_STEPS; taken++) {
    const found = await look(deps, attempt);
    const step = nextStep({
      record: attempt.record,
      found,
      isOurs: found !== null && refOfLabels(deps.service, found.labels) === attempt.ref,
      stopRequested: attempt.stopRequested,
      failure: attempt.failure ?? jobsFault(found),
      isRefused: isRefused(attempt, found),
      notBefore: attempt.refusals?.again ?? 0,
      mayHaveRun: found !== null && (await mayHaveRun(deps, attempt, found)),
      now: deps.clock.now(),
    });
    const progress = await take(deps, attempt, step);
    if (progress !== null) return progress;
  }
  throw new Error(`Attempt ${attempt.ref} gets nowhere in ${MAX_STEPS} steps.`);
}

/** The recorded container; once it was given up and is gone, the one that a crash may have kept from being recorded. */
async function look(deps: RunDeps, attempt: DockerAttempt): Promise<ContainerFacts | null> {
  const { record } = attempt;
  const recorded = record === null ? null : await deps.containers.inspect(record.id);
  const isNext = record === null || (record.stage === 'given-up' && recorded === null);
  return isNext ? deps.containers.inspect(nameOf(deps, attempt, nextMake(attempt))) : recorded;
}

// The engine notes at the container why it did not start: so that is known when its answer was lost, too.
function jobsFault(found: ContainerFacts | null): string | null {
  const reason = found?.startedAt === null ? found.error : '';
  return reason !== '' && isOfJob(500, reason) ? reason : null;
}

function isRefused({ refusedId }: DockerAttempt, found: ContainerFacts | null): boolean {
  return found !== null && (found.id === refusedId || found.error !== '');
}

/**
 * Whether a container may have run that the engine says it never started. An engine that ends suddenly forgets what it has started last;
 * then it does not remember making it either. Asked at the first look at such a container: later other events may have come in between.
 */
async function mayHaveRun(
  deps: RunDeps,
  attempt: DockerAttempt,
  found: ContainerFacts,
): Promise<boolean> {
  const isInDoubt = attempt.record?.stage === 'start-sent';
  if (!isInDoubt || found.startedAt !== null || isRefused(attempt, found)) return false;
  attempt.isRemembered ??= await deps.containers.remembersMaking(found);
  return !attempt.isRemembered || (await deps.output.last(attempt)) !== '';
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
      return record(deps, attempt, {
        id: step.found.id,
        stage: 'made',
        make: nextMake(attempt),
      });
    case 'forgotten':
      await deps.output.giveUp(attempt);
      return { ...neverRan(deps, FORGOTTEN), startedAt: startOf(attempt) };
    case 'start':
      return start(deps, attempt, step.found.id);
    case 'give-up':
      return record(deps, attempt, { id: step.found.id, stage: 'given-up' });
    case 'remove':
      return remove(deps, attempt, step.found);
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
  const isSent = known?.stage === 'start-sent' || known?.stage === 'ran';
  return startedAt ?? (isSent && known.at > 0 ? known.at : null);
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
  const make = nextMake(attempt);
  const name = nameOf(deps, attempt, make);
  const made = await unlessRefused(deps, attempt, () => deps.containers.create(name, options));
  if (made === REFUSED || made === null) return null;
  return record(deps, attempt, { id: made, stage: 'made', make });
}

// The order matters: the output is caught from the first byte on, and a crash after the record never starts it again.
async function start(deps: RunDeps, attempt: DockerAttempt, id: string): Promise<Progress | null> {
  if (deps.closing.aborted) return PENDING;
  await deps.output.attach(attempt, id);
  await record(deps, attempt, { id, stage: 'start-sent' });
  attempt.isRemembered = null;
  const name = nameOf(deps, attempt, attempt.record?.make);
  const started = await unlessRefused(deps, attempt, () => deps.containers.start(name));
  if (started === REFUSED) attempt.refusedId = id;
  return null;
}

// A start that is still under way finds nothing of that name any more; one that came before is seen.
async function remove(deps: RunDeps, attempt: DockerAttempt, found: ContainerFacts): Promise<null> {
  await deps.output.stop(attempt);
  const name = voidName(nameOf(deps, attempt, attempt.record?.make));
  if (found.name !== name) await deps.containers.rename(found.id, name);
  const now = await deps.containers.inspect(found.id);
  if (now?.startedAt === null) await deps.containers.remove(found.id, false);
  return null;
}

async function record(
  deps: RunDeps,
  attempt: DockerAttempt,
  made: Pick<ContainerRecord, 'id' | 'stage'> & { readonly make?: number },
): Promise<null> {
  const next = { make: attempt.record?.make ?? 1, ...made, at: deps.clock.now() };
  await deps.saveRecord(attempt.ref, next);
  attempt.record = next;
  return null;
}

// From now on it is never replaced, also when it was given up, or when the engine forgets that it ran.
async function confirmRun(
  deps: RunDeps,
  attempt: DockerAttempt,
  found: ContainerFacts,
): Promise<void> {
  // The engine's clock may lag behind ours by some milliseconds.
  attempt.startedAt ??= Math.max(found.startedAt ?? 0, attempt.spec.createdAt);
  if (attempt.record?.stage === 'ran') return;
  await record(deps, attempt, { id: found.id, stage: 'ran' });
}

async function exited(
  deps: RunDeps,
  attempt: DockerAttempt,
  found: ContainerFacts,
): Promise<Progress> {
  // Once: it may read all that was printed, and the files below may take many looks.
  attempt.isLogComplete ||= await deps.output.complete(attempt, found);
  if (!attempt.isLogComplete) return PENDING;
  // That it ran out of memory may be told a little later than that it has exited.
  const now = await deps.containers.inspect(found.id);
  const { outOfMemory } = now ?? found;
  // As `docker rm --force` does it: killed, and removed in the same moment.
  const isRemoved = found.exitCode === KILLED && (now === null || IS_GOING.has(now.status));
  const last = await deps.output.last(attempt);
  // The end is written next, and then the container goes.
  if (!(await deps.kept.keep(attempt, found.id))) return PENDING;
  return {
    kind: 'ended',
    startedAt: attempt.startedAt,
    at: found.finishedAt ?? deps.clock.now(),
    exitCode: found.exitCode,
    cause: isRemoved ? REMOVED : causeOfExit({ ...found, outOfMemory }, deps.limits, last),
  };
}

const KILLED = 137;
const IS_GOING: ReadonlySet<string> = new Set(['removing', 'dead']);

const REFUSED = Symbol('refused');

// What is the machine's trouble keeps its place: what would come after it would fare no better.
async function unlessRefused<T>(
  deps: RunDeps,
  attempt: DockerAttempt,
  call: () => Promise<T>,
): Promise<T | typeof REFUSED> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof EngineRefusal)) throw error;
    const now = deps.clock.now();
    const { since, count } = attempt.refusals ?? { since: now, count: 0 };
    const isFinal = isOfJob(error.status, error.message) || now - since >= HOST_PATIENCE_MS;
    const again = now + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** count);
    attempt.refusals = { since, count: count + 1, again };
    if (isFinal) attempt.failure = error.message;
    else deps.log.warn({ err: error, ref: attempt.ref }, MACHINE_TROUBLE);
    return REFUSED;
  }
}

const MACHINE_TROUBLE =
  'Docker cannot make or start a container for a reason of this machine; the job waits and is tried again';

function nextMake({ record: known }: DockerAttempt): number {
  return known === null ? 1 : known.make + 1;
}

function nameOf(deps: RunDeps, attempt: DockerAttempt, make?: number): string {
  return containerName(deps.service, attempt.spec.job, make);
}
