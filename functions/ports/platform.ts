import type { Cause } from '../../shared/jobs/cause.ts';
import type { PlatformKind } from '../../shared/jobs/platform-kind.ts';
import type { HardwareSpec, RunTarget } from './documents.ts';

/** One job to create. Names, labels and directories carry job id and attempt. */
export interface PlatformJob {
  readonly jobId: string;
  readonly attempt: number;
  readonly lane: string;
  readonly name: string;
  readonly run: RunTarget;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly hardware: HardwareSpec;
  /** No effect may come after this instant (UTC ms): past it, `submit` must do nothing. */
  readonly createBy: number;
}

/** What a platform reports about one of its jobs. */
export interface Observation {
  readonly jobId: string;
  readonly attempt: number;
  readonly ref: string;
  readonly state: 'SUBMITTED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'STOPPED';
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly exitCode: number | null;
  readonly cause: Cause;
}

/** A piece of a job's log; `next` continues it, `ended` says that nothing more will come. */
export interface LogChunk {
  readonly text: string;
  readonly next: string;
  readonly ended: boolean;
}

/**
 * A definitive answer: the platform made nothing. `quota`: ask again after `retryAfterMs`; `permanent`: never.
 * Any other error of `submit` means that the outcome is unknown.
 */
export class PlatformRefusal extends Error {
  override readonly name = 'PlatformRefusal';
  readonly kind: 'quota' | 'permanent';
  readonly retryAfterMs: number;
  readonly hint: string | null;

  constructor(
    kind: 'quota' | 'permanent',
    message: string,
    details: { readonly retryAfterMs?: number; readonly hint?: string } = {},
  ) {
    super(message);
    this.kind = kind;
    this.retryAfterMs = details.retryAfterMs ?? 30_000;
    this.hint = details.hint ?? null;
  }
}

/** Runs jobs. Every implementation passes test/contract/platform.ts. */
export interface Platform {
  readonly kind: PlatformKind;
  /** How long a create request may take, and how late a created job may show in `find` and `list` (ms). */
  readonly createDeadlineMs: number;
  readonly listLagMs: number;
  /**
   * How many more jobs than it has places for may be created now, because they will start within a moment: what it did lately says
   * so. Without it, or 0: none.
   */
  ahead?(): number;
  /** Creates the job and returns its name there. May be called twice for one attempt: a platform with names of our choice answers the same ref. */
  submit(job: PlatformJob): Promise<{ readonly ref: string }>;
  /** All jobs of this id, whatever their attempt or state. */
  find(jobId: string): Promise<readonly Observation[]>;
  /** Jobs of the lane that live or ended at `since` or later; pages by cursor. May repeat, and be as old as `listLagMs`. */
  list(
    lane: string,
    since: number,
    cursor: string | null,
  ): Promise<{ readonly items: readonly Observation[]; readonly next: string | null }>;
  /** Asks for the end of a job. Idempotent; nothing when it is over or unknown. */
  cancel(ref: string): Promise<void>;
  /** The job's output from a cursor ('' = the beginning), at most `maxBytes` bytes of it. */
  readLog(ref: string, cursor: string, maxBytes: number): Promise<LogChunk>;
}
