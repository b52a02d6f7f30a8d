import { type HostTrouble, troubleOf } from '../../../ports/host-trouble.ts';
import type { Clock, Log } from '../../../ports/runtime.ts';
import { type AttemptFiles, parseRef, refOf } from '../attempts/attempt-files.ts';
import type { AttemptEnd, AttemptSpec, AttemptStart } from '../attempts/attempt-record.ts';
import {
  AttemptScheduler,
  holdsSlot,
  newScheduled,
  type ScheduledAttempt,
} from '../attempts/attempt-scheduler.ts';
import { jobMark } from '../attempts/job-environment.ts';
import type { Launch } from './attempt-launch.ts';
import { removeUnchanged } from './attempt-remains.ts';
import { type EndFacts, endOf } from './attempt-verdict.ts';
import { endGroupOf, isAlive, signalGroup } from './process-group.ts';
import type { ProcessTable } from './process-table.ts';
import { createQuickEnds, type QuickEnds } from './quick-ends.ts';
import { NO_ROOM } from './supervisor.ts';

// How long `started` may stay without its words before its writer is taken for dead.
const WORDLESS_MS = 5000;
/** A program that was started so long ago runs by itself. */
const SETTLED_MS = 250;
const STOP_POLL_MS = 50;
/** Between two tries to start a program while the machine takes nothing. */
const ROOM_MS = 5000;

/** One attempt that the service looks after. */
export interface Attempt extends ScheduledAttempt {
  start: AttemptStart | null;
  /** The supervisor was seen alive by this process, a moment ago. */
  seenAlive: boolean;
  /** Why nobody of ours will start it any more; null: somebody still may. */
  abandoned: EndFacts['how'] | null;
  /** Its end was asked for. */
  stopRequested: boolean;
  stopping: Promise<void> | null;
  /** Its copy of the code is being made. */
  launching: boolean;
  /** Ended, and what is unchanged in its copy of the code was removed. */
  tidied: boolean;
}

/** What the keeper works with. */
export interface KeeperDeps {
  readonly files: AttemptFiles;
  readonly table: ProcessTable;
  readonly launch: Launch;
  readonly clock: Clock;
  readonly log: Log;
  readonly slots: number;
  readonly graceMs: number;
  readonly pollMs: number;
  /** Cuts the log of an attempt that is over its limit. */
  readonly boundLog: (ref: string) => Promise<void>;
  readonly onChange: (jobId: string) => void;
}

/** Starts, watches and ends attempts. All it knows is in files and in the process table. */
export class AttemptKeeper {
  readonly #deps: KeeperDeps;
  readonly #scheduler: AttemptScheduler<Attempt>;
  readonly #closing = new AbortController();
  readonly #quickEnds: QuickEnds;
  #tidying: Promise<void> = Promise.resolve();

  constructor(deps: KeeperDeps) {
    this.#deps = deps;
    this.#scheduler = new AttemptScheduler({
      ...deps,
      closing: this.#closing.signal,
      begin: (attempt) => this.#begin(attempt),
      check: (attempt) => this.#check(attempt),
      onError: (ref, error) => this.#warn(ref, error),
    });
    this.#quickEnds = createQuickEnds(deps.slots);
  }

  get attempts(): ReadonlyMap<string, Attempt> {
    return this.#scheduler.attempts;
  }

  /** Begins to start what waits, and to look at what runs. Before it, `track` only collects. */
  open(): void {
    this.#scheduler.open();
    this.#scheduler.inBackground('poll', this.#poll());
  }

  /** Starts nothing more, leaves running programs alone, and waits for what is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#scheduler.settled();
    await this.#tidying;
  }

  /** How many attempts may wait, because they will have a slot within a moment. */
  ahead(): number {
    return this.#quickEnds.ahead(this.#deps.clock.now());
  }

  /** Looks after an attempt that was made just now; nothing when it does already. */
  accept(spec: AttemptSpec): void {
    const ref = refOf(spec.job);
    if (this.attempts.has(ref)) return;
    const attempt = newAttempt(ref, spec);
    this.#scheduler.attempts.set(ref, attempt);
    this.#scheduler.wait(attempt);
  }

  /** Looks after an attempt from now on; nothing when it does already. */
  async track(spec: AttemptSpec): Promise<Attempt> {
    const ref = refOf(spec.job);
    const known = this.attempts.get(ref);
    if (known !== undefined) return known;
    const attempt = newAttempt(ref, spec);
    this.#scheduler.attempts.set(ref, attempt);
    await this.#takeUp(attempt);
    return attempt;
  }

  /** Drops an ended attempt; its files keep telling its end. Nothing while it is not tidied: a restart has to know it. */
  async forget(attempt: Attempt): Promise<void> {
    if (!attempt.tidied) return;
    this.#scheduler.attempts.delete(attempt.ref);
    await this.#deps.files.retire(attempt.ref);
  }

  /** Looks again at what may have changed. What cannot be read now is tried again at the next look. */
  refresh(attempt: Attempt): Promise<void> {
    return this.#scheduler.look(attempt);
  }

  /** Refreshes all that hold a slot. */
  async refreshActive(): Promise<void> {
    const active = [...this.attempts.values()].filter(holdsSlot);
    for (const attempt of active) await this.refresh(attempt);
  }

  /** Asks durably for the end of an attempt; nothing when it is over. Idempotent. */
  async stop(attempt: Attempt): Promise<void> {
    await this.refresh(attempt);
    if (attempt.phase === 'ended') return;
    attempt.stopping ??= this.#requestStop(attempt);
    try {
      await attempt.stopping;
    } catch (error) {
      attempt.stopping = null;
      attempt.stopRequested = false;
      throw error;
    }
  }

  async #poll(): Promise<void> {
    for (;;) {
      await this.#deps.clock.sleep(this.#deps.pollMs, this.#closing.signal);
      await this.refreshActive();
    }
  }

  async #takeUp(attempt: Attempt): Promise<void> {
    const { files } = this.#deps;
    const end = await files.readEnd(attempt.ref);
    if (end !== null) return this.#over(attempt, end);
    attempt.stopRequested = await files.isStopRequested(attempt.ref);
    if ((await files.readStart(attempt.ref)) !== null) this.#scheduler.enter(attempt, 'starting');
    else attempt.abandoned = await this.#lostWithMachine(attempt);
    await this.refresh(attempt);
    if (attempt.stopRequested) return this.stop(attempt);
    if (attempt.phase === 'waiting') this.#scheduler.wait(attempt);
  }

  async #lostWithMachine({ ref }: Attempt): Promise<EndFacts['how'] | null> {
    const boot = await this.#deps.files.launchedIn(ref);
    return boot === null || boot === (await this.#deps.table.bootId()) ? null : { kind: 'unseen' };
  }

  async #begin(attempt: Attempt): Promise<void> {
    const mayStill = () => attempt.phase === 'starting' && !this.#closing.signal.aborted;
    attempt.launching = true;
    try {
      const { job, damage } = attempt.spec;
      if (damage !== undefined) throw new Error(damage);
      const started = await this.#deps.launch(job, mayStill);
      attempt.seenAlive = started !== null;
      started?.onExit((status) => {
        if (this.#closing.signal.aborted) return;
        if (status === NO_ROOM) return this.#waitForRoom(attempt, 'no-room');
        attempt.abandoned = { kind: 'supervisor-gone', rebooted: false };
        this.#scheduler.inBackground(attempt.ref, this.refresh(attempt));
      });
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble !== undefined) return this.#waitForRoom(attempt, trouble, error);
      const reason = error instanceof Error ? error.message : String(error);
      attempt.abandoned = { kind: 'not-started', reason };
      await this.refresh(attempt);
    } finally {
      attempt.launching = false;
      if (attempt.phase === 'ended') this.#tidyUp(attempt);
    }
  }

  // Nothing was started. It keeps its slot: what would come after it would fare no better.
  #waitForRoom(attempt: Attempt, trouble: HostTrouble, error?: unknown): void {
    const { clock, log } = this.#deps;
    attempt.seenAlive = false;
    const told = { err: error, ref: attempt.ref, jobId: attempt.spec.job.jobId };
    log.warn(told, `${TAKES_NOTHING[trouble]}; the job waits for room`);
    const again = async () => {
      await clock.sleep(ROOM_MS, this.#closing.signal);
      if (attempt.phase === 'starting') await this.#begin(attempt);
    };
    this.#scheduler.inBackground(attempt.ref, again());
  }

  async #check(attempt: Attempt): Promise<void> {
    const start = await this.#readStart(attempt);
    if (start === null) return this.#ifAbandoned(attempt);
    if (start.kind === 'forbidden') {
      return this.#finish(attempt, attempt.abandoned ?? INTERRUPTED);
    }
    if (await this.#ifExited(attempt, start)) return;
    const { supervisor } = start;
    if (supervisor !== null && (await isAlive(this.#deps.table, supervisor))) {
      attempt.seenAlive = true;
      this.#scheduler.run(attempt);
      return this.#deps.boundLog(attempt.ref);
    }
    // It may have ended between the two looks.
    if (!(await this.#ifExited(attempt, start))) await this.#ifGone(attempt, start);
  }

  async #readStart(attempt: Attempt): Promise<AttemptStart | null> {
    const known = attempt.start;
    const isFinal = known?.kind === 'taken' && known.supervisor !== null;
    if (isFinal) return known;
    const start = await this.#deps.files.readStart(attempt.ref);
    // Times of files may lag behind the clock by some milliseconds.
    attempt.start =
      start?.kind === 'taken'
        ? { ...start, at: Math.max(start.at, attempt.spec.createdAt) }
        : start;
    return attempt.start;
  }

  async #ifAbandoned(attempt: Attempt): Promise<void> {
    const { abandoned } = attempt;
    if (abandoned === null || !(await this.#deps.files.forbidStart(attempt.ref))) return;
    await this.#finish(attempt, abandoned);
  }

  async #ifExited(attempt: Attempt, start: Taken): Promise<boolean> {
    const exit = await this.#deps.files.readExit(attempt.ref);
    if (exit === null) return false;
    const at = Math.max(exit.at, start.at);
    await this.#finish(attempt, { kind: 'exited', exitCode: exit.exitCode }, at);
    return true;
  }

  async #ifGone(attempt: Attempt, start: Taken): Promise<void> {
    const { table, clock } = this.#deps;
    if (start.supervisor === null) {
      if (clock.now() - start.at < WORDLESS_MS) return;
      return this.#finish(attempt, { kind: 'supervisor-gone', rebooted: false });
    }
    const mark = jobMark(attempt.spec.job).map(([name, value]) => `${name}=${value}`);
    const evidence = { fresh: attempt.seenAlive, mark };
    if (!(await endGroupOf(table, start.supervisor, evidence))) return;
    const rebooted = start.supervisor.boot !== (await table.bootId());
    await this.#finish(attempt, { kind: 'supervisor-gone', rebooted });
  }

  // Only from #check, so that no two ends are written.
  async #finish(attempt: Attempt, how: EndFacts['how'], at?: number): Promise<void> {
    const { files, clock } = this.#deps;
    const startedAt = attempt.start?.kind === 'taken' ? attempt.start.at : null;
    const { stopRequested } = attempt;
    const end = endOf({ startedAt, at: at ?? clock.now(), stopRequested, how });
    await this.#deps.boundLog(attempt.ref);
    await files.writeEnd(attempt.ref, end);
    this.#quickEnds.add(end, clock.now());
    this.#over(attempt, end);
  }

  #over(attempt: Attempt, end: AttemptEnd): void {
    this.#scheduler.end(attempt, end);
    this.#tidyUp(attempt);
  }

  // One after the other: it must not slow down what runs.
  #tidyUp(attempt: Attempt): void {
    if (attempt.launching) return;
    this.#tidying = this.#tidying.then(() => this.#tidy(attempt));
  }

  async #tidy(attempt: Attempt): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted || attempt.tidied) return;
    try {
      await removeUnchanged(this.#deps.files, attempt.ref, signal);
    } catch (error) {
      if (signal.aborted) return; // the next service goes on with it
      this.#deps.log.warn(
        { err: error, ref: attempt.ref, ...parseRef(attempt.ref) },
        'a copy of the code was not removed; remove it by hand',
      );
    }
    attempt.tidied = true;
  }

  async #requestStop(attempt: Attempt): Promise<void> {
    const { files } = this.#deps;
    attempt.stopRequested = true;
    await files.requestStop(attempt.ref);
    if (await files.forbidStart(attempt.ref)) return this.refresh(attempt);
    this.#scheduler.inBackground(attempt.ref, this.#terminate(attempt));
  }

  // TERM to all, then KILL to what is left. A supervisor that ends kills what its program left.
  async #terminate(attempt: Attempt): Promise<void> {
    const { clock, graceMs } = this.#deps;
    const deadline = clock.now() + graceMs;
    let signalled = false;
    while (attempt.phase !== 'ended' && clock.now() < deadline) {
      if (!signalled && (await this.#isSettled(attempt))) {
        signalled = await this.#signal(attempt, 'SIGTERM');
      }
      await clock.sleep(STOP_POLL_MS, this.#closing.signal);
      await this.refresh(attempt);
    }
    if (attempt.phase === 'ended') return;
    await this.#signal(attempt, 'SIGKILL');
    await this.refresh(attempt);
  }

  // Between fork and exec the program still has its shell's handler, which would swallow the one TERM it gets.
  async #isSettled(attempt: Attempt): Promise<boolean> {
    const start = await this.#readStart(attempt);
    return start?.kind === 'taken' && this.#deps.clock.now() - start.at >= SETTLED_MS;
  }

  async #signal(attempt: Attempt, name: NodeJS.Signals): Promise<boolean> {
    const start = await this.#readStart(attempt);
    if (start?.kind !== 'taken' || start.supervisor === null) return false;
    await signalGroup(this.#deps.table, start.supervisor, name);
    return true;
  }

  #warn(ref: string, error: unknown): void {
    if (!this.#closing.signal.aborted) {
      const told = { err: error, ref, ...parseRef(ref) };
      this.#deps.log.warn(told, 'work on a process failed; it is tried again');
    }
  }
}

const TAKES_NOTHING: Readonly<Record<HostTrouble, string>> = {
  'no-room': 'the disk takes nothing',
  'read-only': 'the disk takes nothing',
  scarce: 'the machine has nothing to spare',
};

type Taken = Extract<AttemptStart, { readonly kind: 'taken' }>;

const INTERRUPTED = {
  kind: 'not-started',
  reason: 'the service ended while it prepared it; resubmit it.',
} as const;

function newAttempt(ref: string, spec: AttemptSpec): Attempt {
  return {
    ...newScheduled(),
    ref,
    spec,
    start: null,
    seenAlive: false,
    abandoned: null,
    stopRequested: false,
    stopping: null,
    launching: false,
    tidied: false,
  };
}
