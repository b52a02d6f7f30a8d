import type { Message } from './message.ts';

/** Which dead letters are meant, and whether they are only counted. */
export interface RedriveRequest {
  /** Null: every kind. */
  readonly kind: Message['kind'] | null;
  readonly dryRun: boolean;
}

/** What became of the dead letters that were looked at. */
export interface Redriven {
  /** Published again; with `dryRun`: that would be. */
  readonly dead: number;
  /** Cannot be read as messages; they stay where they are. */
  readonly unreadable: number;
  /** There may be more than one call looks at. */
  readonly more: boolean;
}

/** Messages that the queue gave up on, where it keeps messages. */
export interface DeadLetters {
  /**
   * Publishes dead letters again under their kind and forgets each only once the queue has it: a failure between the two publishes it
   * twice, which handlers take. Looks at a bounded number. Throws AppError UNAVAILABLE.
   */
  redrive(request: RedriveRequest): Promise<Redriven>;
}
