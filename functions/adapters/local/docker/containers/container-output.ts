import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import type { AttemptFiles } from '../../attempts/attempt-files.ts';
import { cutLog } from '../../attempts/log-limit.ts';
import { orAbsent, systemCode } from '../../durable-file.ts';
import { EngineRefusal } from '../engine/engine-call.ts';
import type { ContainerFacts, Containers } from './containers.ts';
import { isOfDisk, reasonOf } from './copy-failure.ts';
import type { DockerAttempt } from './docker-attempt.ts';
import {
  type Capture,
  type CapturedLog,
  captureAttached,
  captureKept,
  OutputDropped,
} from './log-capture.ts';
import { concludeLog } from './log-copy.ts';

/** What copying output needs. */
export interface OutputDeps {
  readonly files: AttemptFiles;
  readonly containers: Containers;
  /** Of each log. */
  readonly maxLogBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly closing: AbortSignal;
  /** An attempt's output has ended, or broke off: a good moment to look at it. */
  readonly onOutputEnd: (attempt: DockerAttempt) => void;
}

/** The copying of containers' output into the logs of their attempts. */
export interface ContainerOutput {
  /** Copies from the first byte on; before the container is started. */
  attach(attempt: DockerAttempt, id: string): Promise<void>;
  /** Goes on copying what a running container prints, unless that is under way, or failed a moment ago. */
  follow(attempt: DockerAttempt, id: string): Promise<void>;
  /** Completes the log of a container that has exited. False: nothing is known, because the service closes or somebody removes the container. */
  complete(attempt: DockerAttempt, exited: ContainerFacts): Promise<boolean>;
  /** Ends the log of a container that somebody has removed, and with it the engine's copy. */
  giveUp(attempt: DockerAttempt): Promise<void>;
  /** Ends the log with a line of ours, behind those that it got so before; they are gone when more is copied. */
  conclude(attempt: DockerAttempt, text: string): Promise<void>;
  /** The end of what it printed so far; '' when that is nothing. */
  last(attempt: DockerAttempt): Promise<string>;
  /** Ends copying; what was read is written. */
  stop(attempt: DockerAttempt): Promise<void>;
}

const RETRY_MS = 5000;
// The stream of a container that has exited ends by itself; what it does not bring any more is read from the engine's copy.
const END_WAIT_MS = 2000;
const LOG_NOT_WRITTEN = 'a log cannot be written now; what is missing follows later';
const BROKE_OFF = 'the copying of an output broke off; it is taken up again';
const BEING_REMOVED = 409;
/** After so many other failures a log stays incomplete, so that its job can end. */
const MAX_FAILURES = 5;
/** A removal that gets stuck leaves a container of which nothing can be had; each look is a second. */
const MAX_REMOVAL_LOOKS = 60;
/** How long the engine's copy of a container that has exited may take (ms). */
const COPY_MS = 600_000;

/**
 * While the service lives, output is copied as it is printed, byte for byte. What it missed is read from the engine's own copy: whole
 * lines while the container runs, and all once more when it has exited, unless one stream had it from the first byte to the exit.
 */
export function createContainerOutput(deps: OutputDeps): ContainerOutput {
  const { files, containers, clock, closing } = deps;
  const tellBroken = breakTeller(deps.log);
  const logOf = (attempt: DockerAttempt) => ({
    directory: files.directory(attempt.ref),
    maxBytes: deps.maxLogBytes,
  });

  function watch(attempt: DockerAttempt, capture: Capture, onWhole?: () => void): void {
    attempt.capture = capture;
    const over = (error: unknown) => {
      if (attempt.capture !== capture) return;
      if (error === undefined) onWhole?.();
      attempt.capture = null;
      attempt.captureAgainAt = clock.now() + RETRY_MS;
      if (closing.aborted) return;
      if (error !== undefined) tellBroken(attempt, error);
      deps.onOutputEnd(attempt);
    };
    capture.done.then(() => over(undefined), over);
  }

  async function stop(attempt: DockerAttempt): Promise<void> {
    const { capture } = attempt;
    attempt.capture = null;
    capture?.stop();
    await settled(capture);
  }

  async function canGoWithout(attempt: DockerAttempt, error: unknown): Promise<boolean> {
    const status = error instanceof EngineRefusal ? error.status : null;
    if (closing.aborted) return false;
    if (isOfDisk(error)) throw error;
    attempt.captureFailures += 1;
    if (status === BEING_REMOVED && attempt.captureFailures < MAX_REMOVAL_LOOKS) return false;
    if (!isFinal(status) && attempt.captureFailures < MAX_FAILURES) throw error;
    await conclude(logOf(attempt), attempt, `the end of the output is missing: ${reasonOf(error)}`);
    deps.log.warn({ err: error, ref: attempt.ref }, 'the end of a log is missing');
    return true;
  }

  async function stopAtEnd(attempt: DockerAttempt): Promise<void> {
    await Promise.race([settled(attempt.capture), clock.sleep(END_WAIT_MS, closing)]);
    await stop(attempt);
  }

  return {
    stop,
    conclude: (attempt, text) => conclude(logOf(attempt), attempt, text),
    last: (attempt) => lastOutput(files.directory(attempt.ref)),
    attach: async (attempt, id) => {
      await stop(attempt);
      const stream = await containers.attach(id);
      const capture = captureAttached(logOf(attempt), stream);
      watch(attempt, capture, () => {
        attempt.capturedAt = clock.now();
      });
    },
    follow: async (attempt, id) => {
      if (attempt.capture !== null || clock.now() < attempt.captureAgainAt) return;
      const stream = await containers.replay(id);
      watch(attempt, captureKept({ ...logOf(attempt), hasExited: false }, stream));
    },
    complete: async (attempt, { id, finishedAt }) => {
      await stopAtEnd(attempt);
      // An engine that dies ends the stream before it ends the container.
      const isWhole = finishedAt !== null && (attempt.capturedAt ?? 0) >= finishedAt;
      const { directory, maxBytes } = logOf(attempt);
      if (isWhole || (await cutLog(join(directory, 'log'), maxBytes))) return !closing.aborted;
      try {
        await copyKept(logOf(attempt), clock, () => containers.replay(id));
      } catch (error) {
        return canGoWithout(attempt, error);
      }
      return !closing.aborted;
    },
    giveUp: async (attempt) => {
      await stopAtEnd(attempt);
      if (attempt.capturedAt === null) await conclude(logOf(attempt), attempt, CONTAINER_GONE);
    },
  };
}

async function conclude(log: CapturedLog, attempt: DockerAttempt, text: string): Promise<void> {
  attempt.remarks.add(text);
  await concludeLog(log, [...attempt.remarks]);
}

async function copyKept(
  log: CapturedLog,
  clock: Clock,
  replay: () => Promise<Readable>,
): Promise<void> {
  const copy = async () => inTime(clock, captureKept({ ...log, hasExited: true }, await replay()));
  try {
    await copy();
  } catch (error) {
    if (!(error instanceof OutputDropped)) throw error;
    await copy();
  }
}

async function inTime(clock: Clock, capture: Capture): Promise<void> {
  const ended = new AbortController();
  const late = clock.sleep(COPY_MS, ended.signal).then(
    () => true,
    () => false,
  );
  try {
    if (!(await Promise.race([capture.done.then(() => false), late]))) return;
    capture.stop();
    throw new Error(`the engine did not give it within ${COPY_MS / 60_000} minutes`);
  } finally {
    ended.abort();
  }
}

function isFinal(status: number | null): boolean {
  return status === 404 || status === BEING_REMOVED;
}

// A connection that breaks is the engine's end, or the container's: the next look tells. What breaks again and again is told once.
function breakTeller(log: Log): (attempt: DockerAttempt, error: unknown) => void {
  const told = new WeakSet<DockerAttempt>();
  return (attempt, error) => {
    const fields = { err: error, ref: attempt.ref };
    if (isOfDisk(error)) return log.warn(fields, LOG_NOT_WRITTEN);
    if (told.has(attempt)) return;
    told.add(attempt);
    if (systemCode(error) === undefined) log.warn(fields, BROKE_OFF);
    else log.debug(fields, BROKE_OFF);
  };
}

const CONTAINER_GONE = 'the end of the output may be missing: somebody removed the container';

// A capture that fails is told where it is watched.
async function settled(capture: Capture | null): Promise<void> {
  await capture?.done.catch(() => undefined);
}

async function lastOutput(directory: string): Promise<string> {
  const file = await orAbsent(open(join(directory, 'log'), 'r'));
  if (file === null) return '';
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(1024);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, Math.max(0, size - 1024));
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
