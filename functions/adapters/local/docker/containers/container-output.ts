import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import type { AttemptFiles } from '../../attempts/attempt-files.ts';
import { orAbsent, systemCode } from '../../durable-file.ts';
import { EngineRefusal } from '../engine/engine-call.ts';
import type { ContainerFacts, Containers } from './containers.ts';
import type { DockerAttempt } from './docker-attempt.ts';
import { type Capture, captureAttached, captureKept } from './log-capture.ts';

/** What copying output needs. */
export interface OutputDeps {
  readonly files: AttemptFiles;
  readonly containers: Containers;
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
  /** Ends copying; what was read is written. */
  stop(attempt: DockerAttempt): Promise<void>;
}

const RETRY_MS = 5000;
// The stream of a container that has exited ends by itself; what it does not bring any more is read from the engine's copy.
const END_WAIT_MS = 2000;
const LOG_NOT_WRITTEN = 'a log cannot be written now; what is missing follows later';
const BEING_REMOVED = 409;
// There may be room on the disk later.
const DISK_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);
/** After so many other failures a log stays incomplete, so that its job can end. */
const MAX_FAILURES = 5;

/**
 * While the service lives, output is copied as it is printed, byte for byte. What it missed is read from the engine's own copy: whole
 * lines while the container runs, and all once more when it has exited, unless one stream had it from the first byte to the exit.
 */
export function createContainerOutput(deps: OutputDeps): ContainerOutput {
  const { files, containers, clock, closing } = deps;

  function watch(attempt: DockerAttempt, capture: Capture, onWhole?: () => void): void {
    attempt.capture = capture;
    const over = (error: unknown) => {
      if (attempt.capture !== capture) return;
      if (error === undefined) onWhole?.();
      attempt.capture = null;
      attempt.captureAgainAt = clock.now() + RETRY_MS;
      if (closing.aborted) return;
      // A stream that breaks is the engine's end, or the container's: the next look tells.
      if (isOfDisk(error)) deps.log.warn({ err: error, ref: attempt.ref }, LOG_NOT_WRITTEN);
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

  function canGoWithout(attempt: DockerAttempt, error: unknown): boolean {
    const status = error instanceof EngineRefusal ? error.status : null;
    if (closing.aborted || status === BEING_REMOVED) return false;
    if (isOfDisk(error)) throw error;
    attempt.captureFailures += 1;
    if (status !== 404 && attempt.captureFailures < MAX_FAILURES) throw error;
    deps.log.warn({ err: error, ref: attempt.ref }, 'the end of a log is missing');
    return true;
  }

  return {
    stop,
    attach: async (attempt, id) => {
      await stop(attempt);
      const stream = await containers.attach(id);
      const capture = captureAttached(files.directory(attempt.ref), stream);
      watch(attempt, capture, () => {
        attempt.capturedAt = clock.now();
      });
    },
    follow: async (attempt, id) => {
      if (attempt.capture !== null || clock.now() < attempt.captureAgainAt) return;
      const stream = await containers.replay(id);
      watch(attempt, captureKept(files.directory(attempt.ref), stream));
    },
    complete: async (attempt, { id, finishedAt }) => {
      await Promise.race([settled(attempt.capture), clock.sleep(END_WAIT_MS, closing)]);
      await stop(attempt);
      // An engine that dies ends the stream before it ends the container.
      const isWhole = finishedAt !== null && (attempt.capturedAt ?? 0) >= finishedAt;
      if (isWhole) return !closing.aborted;
      try {
        await captureKept(files.directory(attempt.ref), await containers.replay(id)).done;
      } catch (error) {
        return canGoWithout(attempt, error);
      }
      return !closing.aborted;
    },
  };
}

function isOfDisk(error: unknown): boolean {
  return DISK_CODES.has(systemCode(error) ?? '');
}

// A capture that fails is told where it is watched.
async function settled(capture: Capture | null): Promise<void> {
  await capture?.done.catch(() => undefined);
}

/** The end of what an attempt printed so far. */
export async function lastOutput(directory: string): Promise<string> {
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
