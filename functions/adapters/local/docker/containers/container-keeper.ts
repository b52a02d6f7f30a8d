import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { Clock, Log } from '../../../../ports/runtime.ts';
import { attemptEnd } from '../../attempts/attempt-end.ts';
import { type AttemptFiles, refOf } from '../../attempts/attempt-files.ts';
import type { Keeper } from '../../attempts/attempt-platform.ts';
import type { AttemptEnd, AttemptSpec } from '../../attempts/attempt-record.ts';
import { AttemptScheduler } from '../../attempts/attempt-scheduler.ts';
import { syncDirectory, syncFile } from '../../durable-file.ts';
import { EngineSilent } from '../engine/engine-call.ts';
import { createEngineOutage } from '../engine/engine-outage.ts';
import { containerName, refOfLabels, serviceLabel } from './container-names.ts';
import { createContainerOutput } from './container-output.ts';
import { type ContainerRecord, readRecord, recordOf, writeRecord } from './container-record.ts';
import { advance, neverRan, type Progress, type RunDeps, UNSTARTED } from './container-run.ts';
import { createStrays } from './container-strays.ts';
import type { ContainerLimits } from './container-verdict.ts';
import type { Containers, ListedContainer } from './containers.ts';
import type { FileLimits } from './copy-files.ts';
import { type DockerAttempt, newDockerAttempt } from './docker-attempt.ts';
import { createKeptFiles, temporaryOf } from './kept-files.ts';
import { LOG_PARTS } from './log-copy.ts';

/** What the keeper works with. */
export interface ContainerKeeperDeps {
  readonly files: AttemptFiles;
  readonly containers: Containers;
  /** Aborted by `close`; `containers` ends its reads with it. */
  readonly closing: AbortController;
  readonly service: string;
  readonly limits: ContainerLimits;
  readonly maxLogBytes: number;
  readonly maxFiles: FileLimits;
  readonly maxProcesses: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly slots: number;
  readonly graceMs: number;
  readonly pollMs: number;
  readonly onChange: (jobId: string) => void;
}

/** Callers wait so long (ms) for an engine; what they then get is what was known before. */
const PATIENCE_MS = 2000;
// A TERM that comes before the container's init has set itself up is lost.
const SETTLED_MS = 250;
const LOOKS_AT_ONCE = 4;

/** Starts, watches and ends containers. All it knows is in files and in the engine. */
export class ContainerKeeper implements Keeper<DockerAttempt> {
  readonly #deps: ContainerKeeperDeps;
  readonly #run: RunDeps;
  readonly #scheduler: AttemptScheduler<DockerAttempt>;
  readonly #strays: ReturnType<typeof createStrays>;
  readonly #outage: ReturnType<typeof createEngineOutage>;
  #lookingAtAll: Promise<void> | null = null;

  constructor(deps: ContainerKeeperDeps) {
    const closing = deps.closing.signal;
    const scheduler: AttemptScheduler<DockerAttempt> = new AttemptScheduler({
      ...deps,
      closing,
      begin: (attempt) => scheduler.look(attempt),
      check: (attempt) => this.#check(attempt),
      onError: (ref, error) => this.#warn(ref, error),
    });
    const onOutputEnd = (attempt: DockerAttempt) =>
      scheduler.inBackground(attempt.ref, scheduler.look(attempt));
    const output = createContainerOutput({ ...deps, closing, onOutputEnd });
    this.#deps = deps;
    this.#scheduler = scheduler;
    this.#run = {
      ...deps,
      closing,
      output,
      kept: createKeptFiles({
        ...{ ...deps, closing, output, limits: deps.maxFiles, onKept: onOutputEnd },
        inBackground: (ref, work) => scheduler.inBackground(ref, work),
      }),
      saveRecord: (ref, record) => writeRecord(deps.files.directory(ref), record),
    };
    this.#strays = createStrays(deps);
    this.#outage = createEngineOutage(deps.log, () => closing.aborted);
  }

  get attempts(): ReadonlyMap<string, DockerAttempt> {
    return this.#scheduler.attempts;
  }

  /** Begins to start what waits, and to look at what runs. Before it, `track` only collects. */
  open(): void {
    this.#scheduler.open();
    this.#scheduler.inBackground('poll', this.#poll());
  }

  /**
   * Starts nothing more, leaves containers running, and waits for what was asked of the engine already; not for ever, see
   * `createContainers`.
   */
  async close(): Promise<void> {
    this.#deps.closing.abort();
    await this.#scheduler.settled();
    for (const attempt of this.attempts.values()) await this.#run.output.stop(attempt);
  }

  async track(spec: AttemptSpec): Promise<DockerAttempt> {
    const ref = refOf(spec.job);
    const known = this.attempts.get(ref);
    if (known !== undefined) return known;
    const attempt = newDockerAttempt(ref, spec);
    this.#scheduler.attempts.set(ref, attempt);
    await this.#takeUp(attempt);
    return attempt;
  }

  async forget(attempt: DockerAttempt): Promise<void> {
    this.#scheduler.attempts.delete(attempt.ref);
    await this.#deps.files.retire(attempt.ref);
  }

  refresh(attempt: DockerAttempt): Promise<void> {
    return this.#patiently(this.#scheduler.look(attempt));
  }

  refreshActive(): Promise<void> {
    return this.#patiently(this.#lookAtAll());
  }

  async stop(attempt: DockerAttempt): Promise<void> {
    await this.refresh(attempt);
    if (isOver(attempt) || attempt.stopRequested) return;
    await this.#deps.files.requestStop(attempt.ref);
    attempt.stopRequested = true;
    await this.refresh(attempt);
    if (!isOver(attempt)) this.#scheduler.inBackground(attempt.ref, this.#seeToStop(attempt));
  }

  async #poll(): Promise<void> {
    const { clock, closing, pollMs } = this.#deps;
    for (;;) {
      await this.#lookAtAll();
      await clock.sleep(pollMs, closing.signal);
    }
  }

  async #takeUp(attempt: DockerAttempt): Promise<void> {
    const { files } = this.#deps;
    const end = await files.readEnd(attempt.ref);
    if (end !== null) return this.#scheduler.end(attempt, end);
    attempt.stopRequested = await files.isStopRequested(attempt.ref);
    attempt.record = await this.#readRecord(attempt);
    // What was accepted a moment ago has no container yet; of what an earlier service left, the engine has to be asked.
    attempt.mayExist = !this.#scheduler.isOpen;
    if (attempt.record === null) this.#scheduler.wait(attempt);
    else this.#scheduler.enter(attempt, 'starting');
  }

  // Of a damaged one only what the engine tells is certain.
  async #readRecord({ ref, spec }: DockerAttempt): Promise<ContainerRecord | null> {
    try {
      return await readRecord(this.#deps.files.directory(ref));
    } catch (error) {
      this.#deps.log.error({ err: error, ref }, 'what was noted of a container cannot be read');
      return recordOf(containerName(this.#deps.service, spec.job));
    }
  }

  #lookAtAll(): Promise<void> {
    this.#lookingAtAll ??= this.#outage
      .round(() => this.#lookAtListed())
      .catch((error: unknown) => this.#warn('all', error))
      .finally(() => {
        this.#lookingAtAll = null;
      });
    return this.#lookingAtAll;
  }

  async #lookAtListed(): Promise<void> {
    const { containers, service } = this.#deps;
    const listed = await containers.list(serviceLabel(service));
    const strays = listed.filter((container) => !this.#isLiving(container));
    this.#scheduler.inBackground('strays', this.#strays.tidy(strays));
    const running = new Set(listed.filter(isAlive).map(({ id }) => id));
    const limit = pLimit(LOOKS_AT_ONCE);
    const wanted = [...this.attempts.values()].filter((attempt) => needsLook(attempt, running));
    await Promise.all(wanted.map((attempt) => limit(() => this.#scheduler.look(attempt))));
  }

  #isLiving({ labels }: ListedContainer): boolean {
    const attempt = this.attempts.get(refOfLabels(this.#deps.service, labels) ?? '');
    return attempt !== undefined && attempt.phase !== 'ended';
  }

  async #check(attempt: DockerAttempt): Promise<void> {
    if (attempt.phase === 'waiting') {
      if (!attempt.stopRequested) return;
      if (!attempt.mayExist) return this.#finish(attempt, neverRan(this.#deps, UNSTARTED));
    }
    attempt.mayExist = true;
    const progress = await advance(this.#run, attempt);
    if (progress.kind === 'ended') return this.#finish(attempt, progress);
    if (progress.kind === 'running') await this.#attend(attempt, progress.id);
  }

  /** What a running container needs: a slot, its output copied, its stop. */
  async #attend(attempt: DockerAttempt, id: string): Promise<void> {
    attempt.seenRunningAt ??= this.#deps.clock.now();
    this.#scheduler.run(attempt);
    if (attempt.stopRequested) await this.#signalStop(attempt, id);
    await this.#run.output.follow(attempt, id);
  }

  // TERM, and KILL after the grace; again after a restart of the service.
  async #signalStop(attempt: DockerAttempt, id: string): Promise<void> {
    const { clock, containers, graceMs } = this.#deps;
    const now = clock.now();
    if (attempt.termSentAt === null) {
      if (now - (attempt.seenRunningAt ?? now) < SETTLED_MS) return;
      await containers.kill(id, 'SIGTERM');
      attempt.termSentAt = now;
    } else if (now - attempt.termSentAt >= graceMs) {
      await containers.kill(id, 'SIGKILL');
    }
  }

  /** Looks at the moments when a stop has something to do; the poll does the rest. */
  async #seeToStop(attempt: DockerAttempt): Promise<void> {
    const { clock, closing, graceMs } = this.#deps;
    await clock.sleep(SETTLED_MS, closing.signal);
    await this.#scheduler.look(attempt);
    if (isOver(attempt)) return;
    await clock.sleep(graceMs, closing.signal);
    await this.#scheduler.look(attempt);
  }

  // Only from #check, so that no two ends are written.
  async #finish(attempt: DockerAttempt, ending: Ended): Promise<void> {
    const { files } = this.#deps;
    const { stopRequested } = attempt;
    const end: AttemptEnd = attemptEnd({ ...ending, stopRequested });
    await this.#run.output.stop(attempt);
    await files.writeEnd(attempt.ref, end);
    // Before the container goes, and with it all that the end could be found out from again.
    await syncFile(join(files.directory(attempt.ref), 'end.json'));
    await syncDirectory(files.directory(attempt.ref));
    this.#scheduler.end(attempt, end);
    this.#scheduler.inBackground(attempt.ref, this.#clear(attempt));
  }

  // What fails here, or a crash leaves, is done when the container is seen as a stray.
  async #clear({ ref, record }: DockerAttempt): Promise<void> {
    const directory = this.#deps.files.directory(ref);
    await rm(join(directory, LOG_PARTS), { force: true });
    await rm(temporaryOf(join(directory, 'work')), { recursive: true, force: true });
    if (record !== null) await this.#deps.containers.remove(record.id, false);
  }

  async #patiently(work: Promise<void>): Promise<void> {
    const enough = new AbortController();
    const patience = this.#deps.clock.sleep(PATIENCE_MS, enough.signal).catch(() => undefined);
    await Promise.race([work, patience]);
    enough.abort();
  }

  // It may be another one when it comes back: one that knows less.
  #silent(error: EngineSilent): void {
    for (const attempt of this.attempts.values()) attempt.isRemembered = null;
    this.#outage.begin(error);
  }

  #warn(ref: string, error: unknown): void {
    if (this.#deps.closing.signal.aborted) return;
    if (error instanceof EngineSilent) this.#silent(error);
    else this.#deps.log.warn({ err: error, ref }, 'work on a container failed; it is tried again');
  }
}

type Ended = Extract<Progress, { readonly kind: 'ended' }>;

function isOver(attempt: DockerAttempt): boolean {
  return attempt.phase === 'ended';
}

function isAlive({ status }: ListedContainer): boolean {
  return status === 'running' || status === 'paused';
}

/** Whether more has to be asked than the list tells. One that is being looked at already is left to that. */
function needsLook(attempt: DockerAttempt, running: ReadonlySet<string>): boolean {
  if (attempt.looks > 0 || isOver(attempt)) return false;
  if (attempt.phase === 'waiting') return attempt.stopRequested;
  const runs = attempt.phase === 'running' && running.has(attempt.record?.id ?? '');
  return !runs || attempt.stopRequested || attempt.capture === null;
}
