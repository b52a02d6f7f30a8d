import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import type { AttemptFiles } from '../../attempts/attempt-files.ts';
import { sizeText } from '../../attempts/log-limit.ts';
import { EngineRefusal, EngineSilent } from '../engine/engine-call.ts';
import { wantedFiles } from './changed-paths.ts';
import type { ContainerOutput } from './container-output.ts';
import type { Containers } from './containers.ts';
import { isOfDisk, reasonOf } from './copy-failure.ts';
import { copyFiles, type Exceeded, type FileLimits } from './copy-files.ts';
import type { DockerAttempt } from './docker-attempt.ts';

/** What keeping files needs. */
export interface KeptFilesDeps {
  readonly files: Pick<AttemptFiles, 'directory'>;
  readonly containers: Pick<Containers, 'changes' | 'archive'>;
  readonly output: Pick<ContainerOutput, 'conclude'>;
  /** Of each attempt. */
  readonly limits: FileLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly closing: AbortSignal;
  /** Sees work to its end that nobody waits for. */
  readonly inBackground: (ref: string, work: Promise<void>) => void;
  /** The files of an attempt are kept, or cannot be: a good moment to look at it. */
  readonly onKept: (attempt: DockerAttempt) => void;
}

/** The keeping of what programs wrote in containers. */
export interface KeptFiles {
  /**
   * Copies what the program of a container that has exited added or changed below its working directory into `work` of its attempt. False:
   * not yet, or the service closes. What cannot be copied is said in the log; it never throws for it.
   */
  keep(attempt: DockerAttempt, id: string): Promise<boolean>;
}

/** How far the keeping of an attempt's files is. */
export interface Keeping {
  isDone: boolean;
  /** What is under way. */
  work: Promise<void> | null;
  /** How often it failed, since when, and when it is tried again. */
  failures: number;
  since: number;
  againAt: number;
}

/** Before it begins. */
export function notKept(): Keeping {
  return { isDone: false, work: null, failures: 0, since: 0, againAt: 0 };
}

/** Most are copied meanwhile; no look at an attempt holds up others for longer (ms). */
const PATIENCE_MS = 1000;
/** A full disk is waited for so long (ms): a job must end, and its files may be more than the disk will ever have room for. */
const DISK_PATIENCE_MS = 3_600_000;
/** Tries, whatever else fails. */
const MAX_FAILURES = 5;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const GONE = 404;
const NOT_KEPT = 'files of a job were not kept';

/** Keeps what is in `work` as a whole: a crash in the middle leaves `work.tmp`, which the next try replaces. */
export function createKeptFiles(deps: KeptFilesDeps): KeptFiles {
  const { files, containers, output, limits, clock, log, closing } = deps;
  const workOf = ({ ref }: DockerAttempt) => join(files.directory(ref), 'work');

  async function copy(attempt: DockerAttempt, id: string): Promise<void> {
    const wanted = wantedFiles(await containers.changes(id));
    if (wanted === null) return;
    const work = workOf(attempt);
    const directory = temporaryOf(work);
    await rm(directory, { recursive: true, force: true });
    const target = { directory, limits };
    const exceeded = await copyFiles(wanted, target, (path) => containers.archive(id, path));
    // Of a try before a crash; that it is there says that all of it is.
    await rm(work, { recursive: true, force: true });
    await rename(directory, work);
    if (exceeded === null) return;
    await output.conclude(attempt, exceededLine(exceeded, limits));
    log.warn({ ref: attempt.ref, limit: exceeded }, NOT_KEPT);
  }

  async function failed(attempt: DockerAttempt, error: unknown): Promise<void> {
    const { keeping } = attempt;
    await rm(temporaryOf(workOf(attempt)), { recursive: true, force: true });
    if (closing.aborted) return;
    const now = clock.now();
    if (keeping.failures === 0) keeping.since = now;
    keeping.againAt = now + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** keeping.failures);
    keeping.failures += 1;
    const isFinal = !mayPass(error, keeping, now);
    log.warn({ err: error, ref: attempt.ref, isFinal }, NOT_KEPT);
    if (!isFinal) return;
    if (!existsSync(workOf(attempt))) {
      await output.conclude(attempt, `the files of the job were not kept: ${reasonOf(error)}`);
    }
    keeping.isDone = true;
  }

  async function run(attempt: DockerAttempt, id: string): Promise<void> {
    const { keeping } = attempt;
    try {
      await copy(attempt, id);
      keeping.isDone = true;
    } catch (error) {
      await failed(attempt, error);
    } finally {
      keeping.work = null;
      if (keeping.isDone) deps.onKept(attempt);
    }
  }

  return {
    keep: async (attempt, id) => {
      const { keeping } = attempt;
      if (closing.aborted) return false;
      if (keeping.isDone) return true;
      if (keeping.work === null && clock.now() < keeping.againAt) return false;
      if (keeping.work === null) {
        keeping.work = run(attempt, id);
        deps.inBackground(attempt.ref, keeping.work);
      }
      const enough = new AbortController();
      const patience = clock.sleep(PATIENCE_MS, enough.signal).catch(() => undefined);
      await Promise.race([keeping.work.catch(() => undefined), patience]);
      enough.abort();
      return keeping.isDone && !closing.aborted;
    },
  };
}

/** Where files are until all are there; nothing needs it when the attempt has ended. */
export function temporaryOf(work: string): string {
  return `${work}.tmp`;
}

function mayPass(error: unknown, { failures, since }: Keeping, now: number): boolean {
  if (isOfDisk(error)) return now - since < DISK_PATIENCE_MS;
  // Then the engine itself is gone, and the next look waits for it.
  if (error instanceof EngineSilent && error.why !== 'late') return true;
  if (error instanceof EngineRefusal && error.status === GONE) return false;
  return failures < MAX_FAILURES;
}

function exceededLine(exceeded: Exceeded, limits: FileLimits): string {
  const most =
    exceeded === 'bytes' ? sizeText(limits.bytes) : `${limits.count.toLocaleString('en')} files`;
  return `not all files of the job were kept: they are more than ${most}`;
}
