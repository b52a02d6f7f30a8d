import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../functions/ports/runtime.ts';
import { nanosOfMs } from '../google-api/comparing.ts';
import { type Agenda, createAgenda, type Step } from './agenda.ts';
import { durationMs, hasEnded, type JobError } from './custom-job.ts';
import type { Executor, JobEnd, JobPlan, LiveExecutor, OutputLine } from './executor.ts';
import type { Change, JobBook, JobRecord } from './job-book.ts';
import type { JobLog } from './job-log.ts';

/** Moves jobs through their states, as time goes by and as what runs them tells. */
export interface JobRuns {
  /** Whether a new job of the region would have to wait for a place. */
  isFull(region: string): boolean;
  /** Takes a job that has just been created. */
  begin(record: JobRecord): void;
  /** Begins to cancel; nothing for a job that is being cancelled already. */
  cancel(record: JobRecord): void;
  /** Brings all jobs to where they are now. */
  settle(): void;
  close(): Promise<void>;
}

export interface JobRunsOptions {
  readonly clock: Clock;
  readonly book: JobBook;
  readonly log: JobLog;
  readonly executor: Executor;
  /** Jobs of a region that may be PENDING or RUNNING at once. */
  readonly maxConcurrent: number;
}

interface Live {
  readonly record: JobRecord;
  readonly plan: JobPlan;
  readonly stop: AbortController;
  hasPlace: boolean;
  /** Planned, and not dropped; some may have been taken. */
  steps: readonly Step[];
  deadline: Step | undefined;
}

const DEFAULT_TIMEOUT_MS = 7 * 86_400_000;
const DEFAULT_WAIT_MS = 86_400_000;

/** Nothing happens between two calls of `settle` but live runs: planned steps are taken when somebody looks, at the times they were due. */
export function createJobRuns(options: JobRunsOptions): JobRuns {
  const { clock, book, executor } = options;
  const live = new Map<JobRecord, Live>();
  const running = new Set<Promise<void>>();
  const agenda = createAgenda();
  const places = createPlaceCount();

  function change(run: Live, to: Change, words: string): void {
    book.move(run.record, to);
    options.log.service(run.record, words, to.at);
    if (!hasEnded(to.state)) return;
    live.delete(run.record);
    dropAll(run);
    if (!run.hasPlace) return;
    places.leave(run.record.region);
    const next = places.next(run.record.region, isWaiting);
    if (next !== undefined) admit(next, to.at);
  }

  function admit(run: Live, at: number): void {
    const { region } = run.record;
    if (places.taken(region) >= options.maxConcurrent) {
      places.wait(region, run);
      return;
    }
    places.enter(region);
    run.hasPlace = true;
    change(run, { state: 'JOB_STATE_PENDING', at }, 'Job is preparing.');
    if (executor.kind === 'live') {
      runLive(executor, run);
      return;
    }
    const start = at + (run.plan.pendingMs ?? 0);
    run.steps = [agenda.add(start, (time) => startPlanned(run, time))];
  }

  function started(run: Live, at: number): void {
    const { record } = run;
    const timeout = durationMs(record.job.jobSpec?.scheduling?.timeout ?? null);
    const end = at + (timeout === null || timeout === 0 ? DEFAULT_TIMEOUT_MS : timeout);
    if (run.deadline !== undefined) run.deadline.dropped = true;
    run.deadline = agenda.add(end, (time) => stop(run, time));
    if (record.job.state === 'JOB_STATE_CANCELLING') return;
    change(run, { state: 'JOB_STATE_RUNNING', at }, 'Job is running.');
  }

  function startPlanned(run: Live, at: number): void {
    started(run, at);
    const { lines = [], runMs = 0, end = { kind: 'exit', code: 0 } } = run.plan;
    const steps = lines.map(({ afterMs, text, stream = 'stdout' }) =>
      agenda.add(at + afterMs, (time) =>
        options.log.output(run.record, { text, stream, timestamp: nanosOfMs(time) }),
      ),
    );
    if (runMs !== null) steps.push(agenda.add(at + runMs, (time) => finish(run, end, time)));
    run.steps = steps;
  }

  function runLive(by: LiveExecutor, run: Live): void {
    const hooks = {
      signal: run.stop.signal,
      started: () => started(run, clock.now()),
      output: (line: OutputLine) => options.log.output(run.record, line),
    };
    const done = by
      .run(run.record.job, hooks)
      .catch((error: unknown) => bug(error))
      .then((end) => finish(run, end, clock.now()))
      .finally(() => running.delete(done));
    running.add(done);
  }

  function finish(run: Live, end: JobEnd, at: number): void {
    if (!live.has(run.record)) return;
    if (end.kind === 'cancelled') {
      const error = { code: status.CANCELLED, message: 'CANCELED' };
      change(run, { state: 'JOB_STATE_CANCELLED', at, error }, 'Job cancelled.');
    } else if (end.kind === 'exit' && end.code === 0) {
      change(run, { state: 'JOB_STATE_SUCCEEDED', at }, 'Job completed successfully.');
    } else {
      const error = end.kind === 'error' ? end.error : exitError(run.record, end);
      change(run, { state: 'JOB_STATE_FAILED', at, error }, 'Job failed.');
    }
  }

  function stop(run: Live, at: number): void {
    if (run.deadline !== undefined) run.deadline.dropped = true;
    change(run, { state: 'JOB_STATE_CANCELLING', at }, 'Job is being cancelled.');
    run.stop.abort(new Error('cancelled'));
    if (executor.kind === 'live' && run.hasPlace) return;
    const { cancelMs = 0 } = run.plan;
    if (cancelMs === null) return;
    const until = at + cancelMs;
    for (const step of run.steps) step.dropped ||= step.at >= until;
    agenda.add(until, (end) => finish(run, { kind: 'cancelled' }, end));
  }

  const settle = () => agenda.takeUntil(clock.now());
  return {
    isFull: (region) => places.taken(region) >= options.maxConcurrent,
    settle,
    begin(record) {
      const plan = executor.kind === 'planned' ? executor.plan(record.job) : {};
      const run: Live = {
        record,
        plan,
        stop: new AbortController(),
        hasPlace: false,
        steps: [],
        deadline: undefined,
      };
      const ready = record.createdAt + (plan.queuedMs ?? 0);
      run.steps = [agenda.add(ready, (at) => admit(run, at))];
      run.deadline = waitDeadline(agenda, record, (at) =>
        change(run, { state: 'JOB_STATE_EXPIRED', at }, 'Job expired.'),
      );
      live.set(record, run);
      settle();
    },
    cancel(record) {
      const run = live.get(record);
      if (run === undefined || record.job.state === 'JOB_STATE_CANCELLING') return;
      stop(run, clock.now());
    },
    async close() {
      for (const run of live.values()) run.stop.abort(new Error('the double ends'));
      if (executor.kind === 'live') await executor.close();
      await Promise.all(running);
      live.clear();
    },
  };
}

/** Nobody is cancelling it, and it has not expired. */
function isWaiting({ record }: Live): boolean {
  return record.job.state === 'JOB_STATE_QUEUED';
}

function dropAll(run: Live): void {
  for (const step of run.steps) step.dropped = true;
  if (run.deadline !== undefined) run.deadline.dropped = true;
}

/** FLEX_START jobs give up waiting for machines; 0 means never (custom_job.proto). */
function waitDeadline(
  agenda: Agenda,
  { job, createdAt }: JobRecord,
  go: (at: number) => void,
): Step | undefined {
  const scheduling = job.jobSpec?.scheduling ?? null;
  if (scheduling?.strategy !== 'FLEX_START') return undefined;
  const wait = durationMs(scheduling.maxWaitDuration) ?? DEFAULT_WAIT_MS;
  return wait === 0 ? undefined : agenda.add(createdAt + wait, go);
}

/** Places of each region, and who waits for one, first come first served. */
function createPlaceCount() {
  const taken = new Map<string, number>();
  const waiting = new Map<string, Live[]>();
  const count = (region: string) => taken.get(region) ?? 0;
  return {
    taken: count,
    enter: (region: string) => void taken.set(region, count(region) + 1),
    leave: (region: string) => void taken.set(region, count(region) - 1),
    wait(region: string, run: Live) {
      const queue = waiting.get(region);
      if (queue === undefined) waiting.set(region, [run]);
      else queue.push(run);
    },
    next(region: string, isWanted: (run: Live) => boolean): Live | undefined {
      const queue = waiting.get(region) ?? [];
      for (let run = queue.shift(); run !== undefined; run = queue.shift()) {
        if (isWanted(run)) return run;
      }
      return undefined;
    },
  };
}

function exitError(
  { id, project }: JobRecord,
  { code, outOfMemory = false }: { readonly code: number; readonly outOfMemory?: boolean },
): JobError {
  const reason = outOfMemory ? 'OOMKilled' : 'Error';
  const logs = `https://console.cloud.google.com/logs/viewer?project=${project.number}&resource=ml_job%2Fjob_id%2F${id}`;
  return {
    code: status.INVALID_ARGUMENT,
    message: `The replica workerpool0-0 exited with a non-zero status of ${code}. Termination reason: ${reason}. To find out more about why your job exited please check the logs: ${logs}`,
  };
}

function bug(error: unknown): JobEnd {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    kind: 'error',
    error: { code: status.INTERNAL, message: `a bug of the double: ${text}` },
  };
}
