import {
  type Observation,
  type Platform,
  type PlatformJob,
  PlatformRefusal,
} from '../../functions/ports/platform.ts';
import type { PlatformKind } from '../../shared/jobs/platform-kind.ts';
import type { FaultRates } from './faults.ts';
import type { Worker } from './worker.ts';
import type { World } from './world.ts';

/** A job as the simulated platform knows it. */
export interface SimJob {
  readonly ref: string;
  readonly request: PlatformJob;
  readonly createdAt: number;
  /** Lists and look-ups show it only from here on. */
  readonly visibleAt: number;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly exitCode: number;
  cancelledAt: number | null;
  started: boolean;
}

/** How this platform behaves. */
export interface SimPlatformOptions {
  readonly kind: PlatformKind;
  readonly createDeadlineMs: number;
  /** The bound that the service assumes. */
  readonly listLagMs: number;
  /** How late lists really may be; above the bound nobody can promise that code is started once. */
  readonly realLagMs: number;
  /** Whether names are ours (a second create of an attempt answers the first): GKE and process yes, Vertex no. */
  readonly ownNames: boolean;
  readonly rates: () => FaultRates;
  /** A list showed a job. */
  readonly onListed?: (job: SimJob) => void;
}

/** A platform without request ids, with list lag, lost replies and quota refusals. */
export class SimPlatform {
  readonly jobs: SimJob[] = [];
  /** Instants of accepted creates. */
  readonly creates: number[] = [];
  private readonly world: World;
  readonly options: SimPlatformOptions;

  constructor(world: World, options: SimPlatformOptions) {
    this.world = world;
    this.options = options;
  }

  /** The port as one worker sees it. */
  portFor(worker: Worker): Platform {
    const { kind, createDeadlineMs, listLagMs } = this.options;
    return {
      kind,
      createDeadlineMs,
      listLagMs,
      submit: (job) => worker.call(async () => this.submit(job)),
      find: (jobId) =>
        worker.call(async () =>
          this.visible()
            .filter((job) => job.request.jobId === jobId)
            .map((job) => this.observe(job)),
        ),
      list: (lane, since) =>
        worker.call(async () => ({
          items: this.visible()
            .filter((job) => job.request.lane === lane && this.endOf(job) >= since)
            .map((job) => {
              this.options.onListed?.(job);
              return this.observe(job);
            }),
          next: null,
        })),
      cancel: (ref) => worker.call(async () => this.cancel(ref)),
      readLog: async () => ({ text: '', next: '', ended: true }),
    };
  }

  /** Jobs that run or may still run. */
  alive(): SimJob[] {
    return this.jobs.filter((job) => this.endOf(job) > this.world.now());
  }

  private submit(request: PlatformJob): { ref: string } {
    const { world } = this;
    const now = world.now();
    if (now > request.createBy)
      throw new PlatformRefusal('quota', 'Too late for this claim.', { retryAfterMs: 1 });
    if (world.chance(this.options.rates().refuse))
      throw new PlatformRefusal('quota', 'Quota is used up.', {
        retryAfterMs: world.between(1_000, 20_000),
      });
    if (!world.chance(this.options.rates().late)) return this.create(request);
    // Its client gives up now; it takes effect by its deadline, or never.
    if (world.chance(0.7))
      world.after(world.between(0, request.createBy - now), () => this.create(request));
    throw new Error('deadline exceeded');
  }

  private create(request: PlatformJob): { ref: string } {
    const now = this.world.now();
    const twin = this.options.ownNames
      ? this.jobs.find((job) => sameAttempt(job, request))
      : undefined;
    if (twin !== undefined) return { ref: twin.ref };
    const ref = this.options.ownNames
      ? `${request.jobId}.${request.attempt}`
      : `p/${this.jobs.length}`;
    const startsAt = now + this.world.between(500, 30_000);
    this.jobs.push({
      ref,
      request,
      createdAt: now,
      visibleAt: now + this.world.between(0, this.options.realLagMs),
      startsAt,
      endsAt: startsAt + this.world.between(1_000, 90_000),
      exitCode: this.world.chance(0.1) ? 1 : 0,
      cancelledAt: null,
      started: false,
    });
    this.creates.push(now);
    return { ref };
  }

  private cancel(ref: string): void {
    const job = this.jobs.find((each) => each.ref === ref);
    if (job !== undefined && this.endOf(job) > this.world.now())
      job.cancelledAt ??= this.world.now() + this.world.between(0, 5_000);
  }

  private visible(): SimJob[] {
    return this.jobs.filter((job) => job.visibleAt <= this.world.now());
  }

  /** When it ended or will end. */
  endOf(job: SimJob): number {
    return Math.min(job.endsAt, job.cancelledAt ?? Number.POSITIVE_INFINITY);
  }

  /** Whether the user's code began to run. */
  ran(job: SimJob): boolean {
    return this.world.now() >= job.startsAt && job.startsAt < this.endOf(job);
  }

  // What a list says may be as old as the lag.
  private observe(job: SimJob): Observation {
    const at = this.world.now() - this.world.between(0, Math.min(this.options.listLagMs, 2_000));
    const endedAt = this.endOf(job);
    const ended = endedAt <= at;
    const cancelled = job.cancelledAt !== null && job.cancelledAt < job.endsAt;
    const verdict = cancelled ? 'STOPPED' : job.exitCode === 0 ? 'SUCCEEDED' : 'FAILED';
    const started = job.startsAt <= at;
    const state = ended ? verdict : started ? 'RUNNING' : 'SUBMITTED';
    return {
      jobId: job.request.jobId,
      attempt: job.request.attempt,
      ref: job.ref,
      state,
      createdAt: job.createdAt,
      startedAt: started ? job.startsAt : null,
      finishedAt: ended ? endedAt : null,
      exitCode: ended && !cancelled ? job.exitCode : null,
      cause: { code: 'platform', message: state },
    };
  }
}

/** Whether two platform jobs are of one attempt. */
export function sameAttempt(job: SimJob, request: PlatformJob): boolean {
  return job.request.jobId === request.jobId && job.request.attempt === request.attempt;
}
