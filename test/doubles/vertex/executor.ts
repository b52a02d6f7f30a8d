import type { CustomJob, JobError } from './custom-job.ts';

/** How the work of a job ended. */
export type JobEnd =
  | { readonly kind: 'exit'; readonly code: number; readonly outOfMemory?: boolean }
  | { readonly kind: 'error'; readonly error: JobError }
  | { readonly kind: 'cancelled' };

export interface OutputLine {
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
  /** UTC nanoseconds. */
  readonly timestamp: bigint;
}

/** What becomes of a job that only pretends to run. Durations in milliseconds, of the double's clock. */
export interface JobPlan {
  /** In QUEUED, before it may take a place; default 0. */
  readonly queuedMs?: number;
  /** In PENDING; default 0. */
  readonly pendingMs?: number;
  /** In RUNNING; null: until it is cancelled or its timeout. Default 0. */
  readonly runMs?: number | null;
  /** Default: exit code 0. */
  readonly end?: JobEnd;
  /** Output, and when after the start of the run. */
  readonly lines?: readonly {
    readonly afterMs: number;
    readonly text: string;
    readonly stream?: 'stdout' | 'stderr';
  }[];
  /** In CANCELLING; a run that would end sooner ends as planned. Null: cancelling has no effect. Default 0. */
  readonly cancelMs?: number | null;
}

/** What runs the jobs. `planned`: nothing runs, the plan says what would have happened. `live`: something does run. */
export type Executor = { readonly kind: 'planned'; plan(job: CustomJob): JobPlan } | LiveExecutor;

export interface LiveExecutor {
  readonly kind: 'live';
  /** Runs a job to its end; when the signal is aborted, ends it soon. Never rejects but for a bug. */
  run(job: CustomJob, hooks: RunHooks): Promise<JobEnd>;
  /** Ends and removes all it made. */
  close(): Promise<void>;
}

export interface RunHooks {
  readonly signal: AbortSignal;
  /** The container has started. */
  started(): void;
  output(line: OutputLine): void;
}

/** Jobs that pretend to run, as a function of the job decides. */
export function pretend(plan: (job: CustomJob) => JobPlan = () => ({})): Executor {
  return { kind: 'planned', plan };
}
