import { exitCause } from '../../../shared/jobs/cause.ts';
import type { PlatformKind } from '../../../shared/jobs/platform-kind.ts';
import { wholeUtf8Length } from '../../../shared/jobs/utf8-boundary.ts';
import {
  type LogChunk,
  type Observation,
  type Platform,
  type PlatformJob,
  PlatformRefusal,
} from '../../ports/platform.ts';
import type { Clock } from '../../ports/runtime.ts';

/** How the pretended machine behaves. Everything follows from the clock: there are no timers. */
export interface MemoryPlatformOptions {
  readonly clock: Clock;
  readonly kind: PlatformKind;
  readonly createDeadlineMs: number;
  /** A job is hidden from `find` and `list` for this long after its creation (ms). */
  readonly listLagMs: number;
  /** How long the job's program runs (ms; Infinity: until it is stopped). */
  readonly durationMs: (job: PlatformJob) => number;
  readonly exitCode: (job: PlatformJob) => number;
  /** What the program prints, all of it when it starts. Default: its command line, one word a line. */
  readonly output?: (job: PlatformJob) => string;
  /** More living jobs than this are refused for quota. Default: no limit. */
  readonly maxActive?: number;
}

interface MemoryJob {
  readonly job: PlatformJob;
  readonly ref: string;
  readonly createdAt: number;
  stoppedAt: number | null;
}

const PAGE = 100;

/** A platform that only remembers: the deterministic double of unit tests. */
export function createMemoryPlatform(options: MemoryPlatformOptions): Platform {
  const { clock } = options;
  const jobs = new Map<string, MemoryJob>();
  const output = options.output ?? commandLine;

  function endOf(entry: MemoryJob): number {
    return entry.stoppedAt ?? entry.createdAt + options.durationMs(entry.job);
  }

  function observe(entry: MemoryJob): Observation {
    const ended = endOf(entry) <= clock.now();
    return {
      jobId: entry.job.jobId,
      attempt: entry.job.attempt,
      ref: entry.ref,
      createdAt: entry.createdAt,
      startedAt: entry.createdAt,
      ...(ended ? outcome(entry) : RUNNING),
    };
  }

  function outcome(entry: MemoryJob) {
    const finishedAt = endOf(entry);
    if (entry.stoppedAt !== null) return { ...STOPPED, finishedAt };
    const exitCode = options.exitCode(entry.job);
    const state = exitCode === 0 ? ('SUCCEEDED' as const) : ('FAILED' as const);
    return { state, finishedAt, exitCode, cause: exitCause(exitCode) };
  }

  function shown(): MemoryJob[] {
    const horizon = clock.now() - options.listLagMs;
    return [...jobs.values()].filter((entry) => entry.createdAt <= horizon);
  }

  async function submit(job: PlatformJob): Promise<{ ref: string }> {
    const ref = `${job.jobId}.${job.attempt}`;
    if (jobs.has(ref)) return { ref };
    const now = clock.now();
    refuseIfImpossible(job, now);
    const living = [...jobs.values()].filter((entry) => endOf(entry) > now).length;
    if (living >= (options.maxActive ?? Number.POSITIVE_INFINITY)) {
      throw new PlatformRefusal('quota', `${living} jobs are running, the limit.`);
    }
    jobs.set(ref, { job, ref, createdAt: now, stoppedAt: null });
    return { ref };
  }

  async function cancel(ref: string): Promise<void> {
    const entry = jobs.get(ref);
    if (entry !== undefined && endOf(entry) > clock.now()) entry.stoppedAt = clock.now();
  }

  return {
    kind: options.kind,
    createDeadlineMs: options.createDeadlineMs,
    listLagMs: options.listLagMs,
    submit,
    find: async (jobId) =>
      shown()
        .filter((entry) => entry.job.jobId === jobId)
        .map(observe),
    list: async (lane, since, cursor) => {
      const all = shown().filter((entry) => entry.job.lane === lane && endOf(entry) >= since);
      const from = Number(cursor ?? 0);
      const next = from + PAGE < all.length ? String(from + PAGE) : null;
      return { items: all.slice(from, from + PAGE).map(observe), next };
    },
    cancel,
    readLog: async (ref, cursor, maxBytes) => {
      const entry = jobs.get(ref);
      const over = entry === undefined || endOf(entry) <= clock.now();
      const all = Buffer.from(entry === undefined ? '' : output(entry.job));
      return logPiece(all, { from: Number(cursor), maxBytes, over });
    },
  };
}

const RUNNING = {
  state: 'RUNNING',
  finishedAt: null,
  exitCode: null,
  cause: { code: 'started', message: 'Running.' },
} as const;

const STOPPED = {
  state: 'STOPPED',
  exitCode: null,
  cause: { code: 'stop-requested', message: 'Stopped as requested.' },
} as const;

function refuseIfImpossible(job: PlatformJob, now: number): void {
  if (now > job.createBy) {
    const message = `The create request is ${now - job.createBy} ms too late; nothing was made.`;
    throw new PlatformRefusal('quota', message, { retryAfterMs: 0 });
  }
  if ([...job.command, ...job.args].some((word) => word.includes('\0'))) {
    throw new PlatformRefusal('permanent', 'An argument holds a NUL character.', {
      hint: 'No program can be given one; remove it from the config.',
    });
  }
}

function commandLine(job: PlatformJob): string {
  return [...job.command, ...job.args].map((word) => `${word}\n`).join('');
}

function logPiece(
  all: Buffer,
  wanted: { readonly from: number; readonly maxBytes: number; readonly over: boolean },
): LogChunk {
  const bytes = all.subarray(wanted.from, wanted.from + Math.max(4, wanted.maxBytes));
  const whole = bytes.subarray(0, wholeUtf8Length(bytes));
  const next = wanted.from + whole.length;
  return {
    text: whole.toString(),
    next: String(next),
    ended: wanted.over && next >= all.length,
  };
}
