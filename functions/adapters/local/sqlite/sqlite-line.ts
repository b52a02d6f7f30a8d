import { setImmediate } from 'node:timers';
import { LIMITS } from '../../../../shared/api/limits.ts';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import type { Clock } from '../../../ports/runtime.ts';
import type { Patience } from '../../../ports/store.ts';
import type { WireCommit, WireOutcome } from './sqlite-commit-program.ts';
import { isBusy } from './sqlite-errors.ts';
import { storeBusy, takeTurn, tooMany } from './sqlite-turn.ts';

/** Where groups of commits are made, one after the other. */
export interface Committer {
  /** Resolves when a group would be begun at once. */
  ready(): Promise<void>;
  /**
   * Makes commits in one transaction: their outcomes. When it rejects, nothing of any of them stays; but with AppError UNAVAILABLE
   * nobody knows.
   */
  commit(commits: readonly WireCommit[]): Promise<readonly WireOutcome[]>;
}

interface Waiting {
  readonly commit: WireCommit;
  readonly patience: Patience;
  resolve(outcome: WireOutcome): void;
  reject(error: unknown): void;
}

/** After so much reading (ms) the event loop gets its turn. */
const HELD_MS = 8;
/** Rows of one group, unless one commit has more. */
const GROUP_ROWS = 1_000;
/** How long (ms) a commit that is 'now or never' stands behind others of this process. */
const IMPATIENT_MS = 50;

/**
 * Where reads and commits wait for their turn. Reads block the event loop: between two stretches of them it looks at sockets and
 * timers, however many wait here. Commits that came while others were written share a transaction and its fsync. Who has to wait
 * for another process stands in one line: only its head asks.
 */
export class StoreLine {
  readonly #clock: Clock;
  readonly #committer: Committer;
  readonly #reads: (() => void)[] = [];
  readonly #commits: Waiting[] = [];
  #turnAt = 0;
  #isCalled = false;
  #isWriting = false;
  /** Another process has the lock. */
  #isHeldUp = false;
  /** How many of the first commits are being written. */
  #inFlight = 0;
  /** Commits of a group that failed as a whole: each gets its own answer. */
  #alone = 0;

  constructor(clock: Clock, committer: Committer) {
    this.#clock = clock;
    this.#committer = committer;
  }

  /** Runs a read at once where the event loop was looked after lately, otherwise in turn. Throws AppError STORE_BUSY. */
  read<T>(attempt: () => T): Promise<T> {
    const isFree = this.#reads.length === 0 && performance.now() - this.#turnAt < HELD_MS;
    if (isFree) return takeTurn(this.#clock, attempt);
    if (this.#reads.length >= LIMITS.waitingReads) {
      return Promise.reject(tooMany(`${LIMITS.waitingReads} reads`));
    }
    return new Promise((resolve) => {
      this.#reads.push(() => resolve(takeTurn(this.#clock, attempt)));
      this.#callTurn();
    });
  }

  /** Resolves with what became of the commit; durable then. Throws AppErrors STORE_BUSY, and UNAVAILABLE when nobody knows. */
  commit(commit: WireCommit, patience: Patience): Promise<WireOutcome> {
    if (this.#commits.length >= LIMITS.waitingCommits) {
      return Promise.reject(tooMany(`${LIMITS.waitingCommits} commits`));
    }
    if (patience === 'now-or-never' && this.#isHeldUp)
      return Promise.reject(storeBusy('right now'));
    return new Promise((resolve, reject) => {
      const waiting = { commit, patience, resolve, reject };
      this.#commits.push(waiting);
      if (patience === 'now-or-never') setTimeout(() => this.#giveUp(waiting), IMPATIENT_MS);
      // What else comes in this turn of the event loop goes with it.
      if (!this.#isWriting) setImmediate(() => this.#write());
      this.#isWriting = true;
    });
  }

  #callTurn(): void {
    if (this.#isCalled) return;
    this.#isCalled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isCalled = false;
    this.#turnAt = performance.now();
    for (let next = this.#reads.shift(); next !== undefined; next = this.#reads.shift()) {
      next();
      if (performance.now() - this.#turnAt >= HELD_MS) break;
    }
    if (this.#reads.length > 0) this.#callTurn();
  }

  async #write(): Promise<void> {
    while (this.#commits.length > 0) {
      await this.#committer.ready();
      try {
        // Whoever waited may have given up meanwhile.
        if (this.#commits.length > 0)
          this.#settle(await takeTurn(this.#clock, () => this.#attempt()));
      } catch (error) {
        this.#fail(error);
      } finally {
        this.#isHeldUp = false;
      }
    }
    this.#isWriting = false;
  }

  async #attempt(): Promise<readonly WireOutcome[]> {
    try {
      const group = this.#group().map(({ commit }) => commit);
      this.#inFlight = group.length;
      return await this.#committer.commit(group);
    } catch (error) {
      // Made again, it would meet its own work, and take it for another's.
      if (isAppError(error, 'UNAVAILABLE')) return this.#rejectGroup(error);
      if (!isBusy(error)) throw error;
      this.#isHeldUp = true;
      const patient = this.#commits.filter(({ patience }) => patience === 'wait');
      const others = this.#commits.filter(({ patience }) => patience !== 'wait');
      this.#commits.splice(0, this.#commits.length, ...patient);
      for (const { reject } of others) reject(storeBusy('right now', error));
      // Nobody is left who would wait.
      if (patient.length === 0) return [];
      throw error;
    } finally {
      this.#inFlight = 0;
    }
  }

  #rejectGroup(error: unknown): [] {
    const group = this.#commits.splice(0, this.#inFlight);
    this.#alone = Math.max(0, this.#alone - group.length);
    for (const { reject } of group) reject(error);
    return [];
  }

  #giveUp(waiting: Waiting): void {
    const at = this.#commits.indexOf(waiting);
    if (at < this.#inFlight) return;
    this.#commits.splice(at, 1);
    waiting.reject(storeBusy('right now'));
  }

  #group(): readonly Waiting[] {
    if (this.#alone > 0) return this.#commits.slice(0, 1);
    let rows = 0;
    const end = this.#commits.findIndex(({ commit }) => {
      rows += commit.writes.length;
      return rows > GROUP_ROWS;
    });
    return end < 0 ? this.#commits : this.#commits.slice(0, Math.max(1, end));
  }

  #settle(outcomes: readonly WireOutcome[]): void {
    this.#alone = Math.max(0, this.#alone - outcomes.length);
    const done = this.#commits.splice(0, outcomes.length);
    for (const [at, outcome] of outcomes.entries()) done[at]?.resolve(outcome);
  }

  #fail(error: unknown): void {
    const isLocked = isAppError(error, 'STORE_BUSY');
    const group = this.#group().length;
    // One of them may be to blame; but who has stood behind a lock so long gives up with its head.
    if (group > 1 && !isLocked) {
      this.#alone = group;
      return;
    }
    this.#alone = isLocked ? 0 : Math.max(0, this.#alone - 1);
    for (const { reject } of this.#commits.splice(0, isLocked ? this.#commits.length : 1))
      reject(error);
  }
}
