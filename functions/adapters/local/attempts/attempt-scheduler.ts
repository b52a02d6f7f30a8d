import type { Clock } from '../../../ports/runtime.ts';
import type { TrackedAttempt } from './attempt-platform.ts';
import type { AttemptEnd } from './attempt-record.ts';

/** One attempt of a scheduler. `starting` and `running` hold a slot. */
export interface ScheduledAttempt extends TrackedAttempt {
  phase: TrackedAttempt['phase'];
  end: AttemptEnd | null;
  endSeenAt: number;
  /** The last look at it; it never rejects. */
  checking: Promise<void>;
  /** How many looks at it are under way, or wait for their turn. */
  looks: number;
}

/** What a scheduler works with, and what it does with its attempts. */
export interface SchedulerParts<A extends ScheduledAttempt> {
  readonly slots: number;
  readonly clock: Clock;
  /** Nothing is started any more once it is aborted. */
  readonly closing: AbortSignal;
  /** Starts an attempt that has just got its slot. */
  readonly begin: (attempt: A) => Promise<void>;
  /** Looks at an attempt that has not ended. */
  readonly check: (attempt: A) => Promise<void>;
  /** Work failed; it is tried again at the next look. */
  readonly onError: (ref: string, error: unknown) => void;
  /** A hint that something about this job changed. */
  readonly onChange: (jobId: string) => void;
}

/** A new attempt, as a scheduler has to know it. */
export function newScheduled(): Omit<ScheduledAttempt, 'ref' | 'spec'> {
  return { phase: 'waiting', end: null, endSeenAt: 0, checking: Promise.resolve(), looks: 0 };
}

/**
 * The attempts of a platform of this machine: who has a slot and who waits for one, in the order of their submission; one look at
 * each after the other; what is under way in the background. It knows nothing of how they run.
 */
export class AttemptScheduler<A extends ScheduledAttempt> {
  readonly attempts = new Map<string, A>();
  readonly #parts: SchedulerParts<A>;
  readonly #waiting = new Set<A>();
  readonly #underway = new Set<Promise<void>>();
  #occupied = 0;
  #isOpen = false;

  constructor(parts: SchedulerParts<A>) {
    this.#parts = parts;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Begins to start what waits; before it, attempts are only collected. */
  open(): void {
    this.#isOpen = true;
    this.#fillSlots();
  }

  /** Waits for what is under way. Resolves once nothing is, which the signal `closing` has to see to. */
  async settled(): Promise<void> {
    while (this.#underway.size > 0) await Promise.all(this.#underway);
    for (const { checking } of this.attempts.values()) await checking;
  }

  /** Lets an attempt wait for a slot. */
  wait(attempt: A): void {
    this.#waiting.add(attempt);
    this.#fillSlots();
  }

  /** Moves an attempt on; it gives its slot back when it has ended. */
  enter(attempt: A, phase: A['phase']): void {
    const held = holdsSlot(attempt);
    attempt.phase = phase;
    this.#occupied += Number(holdsSlot(attempt)) - Number(held);
    this.#waiting.delete(attempt);
    if (phase === 'ended') this.#fillSlots();
  }

  /** Its program runs; said once. */
  run(attempt: A): void {
    if (attempt.phase === 'running') return;
    this.enter(attempt, 'running');
    this.#parts.onChange(attempt.spec.job.jobId);
  }

  /** It is over: as its end on disk tells. */
  end(attempt: A, end: AttemptEnd): void {
    attempt.end = end;
    attempt.endSeenAt = Math.max(this.#parts.clock.now(), end.finishedAt);
    this.enter(attempt, 'ended');
    this.#parts.onChange(attempt.spec.job.jobId);
  }

  /**
   * Looks again at what may have changed. One look after the other, so that a program is started, and an end is written, once. What
   * fails is tried again at the next look.
   */
  look(attempt: A): Promise<void> {
    const { check, onError } = this.#parts;
    attempt.looks += 1;
    attempt.checking = attempt.checking
      .then(() => (attempt.phase === 'ended' ? undefined : check(attempt)))
      .catch((error: unknown) => onError(attempt.ref, error))
      .finally(() => {
        attempt.looks -= 1;
      });
    return attempt.checking;
  }

  /** Sees work to its end that nobody waits for, until this is closed. */
  inBackground(ref: string, work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => this.#parts.onError(ref, error))
      .finally(() => this.#underway.delete(guarded));
    this.#underway.add(guarded);
  }

  #fillSlots(): void {
    const { slots, closing, begin } = this.#parts;
    for (const attempt of this.#waiting) {
      if (this.#occupied >= slots || !this.#isOpen || closing.aborted) return;
      this.enter(attempt, 'starting');
      this.inBackground(attempt.ref, begin(attempt));
    }
  }
}

/** Whether one more program would be one too many because of it. */
export function holdsSlot({ phase }: Pick<ScheduledAttempt, 'phase'>): boolean {
  return phase === 'starting' || phase === 'running';
}
