import { waitIdOf } from '../../functions/core/outbox.ts';
import type { JobDoc, OutboxDoc, SubmissionDoc } from '../../functions/ports/documents.ts';
import type { Message } from '../../functions/ports/message.ts';
import type { Store, Write } from '../../functions/ports/store.ts';
import { isLegalMove, isTerminal, type JobState } from '../../shared/jobs/job-state.ts';
import { ASSUMED_LIST_LAG_MS, type SimBuild } from './sim-builds.ts';
import type { Observer } from './sim-service.ts';
import { Waits } from './waits.ts';
import type { Worker } from './worker.ts';
import type { World } from './world.ts';

/** So long after a build was shown nobody begins another: a start takes no longer when nothing pauses (a create that arrives late: 30 s). */
const SEEN_MS = 33_000;

/** Watches every commit and delivery; the first broken promise is kept. */
export class Invariants implements Observer {
  private violation: string | undefined;
  readonly jobs = new Map<string, JobDoc>();
  readonly submissions = new Map<string, SubmissionDoc>();
  private readonly queued = new Map<string, Map<string, JobDoc>>();
  private readonly world: World;
  private readonly fairBound: number;
  /** Claims by others since a principal's job became due and visible to the drainer. */
  private readonly waitingSince = new Map<string, { readonly at: number; others: number }>();

  private readonly waits = new Waits();
  /** Keys by requirements. */
  readonly keys = new Map<string | null, string>();
  /** Whether a submission may be told that its image cannot be made. */
  mayGiveUp: (key: string) => boolean = () => true;
  /** Whether workers may sleep for long between two calls now, or did lately. */
  mayPause: () => boolean = () => true;
  buildListLagMs = 0;

  constructor(world: World, fairBound: number) {
    this.world = world;
    this.fairBound = fairBound;
  }

  broken(promise: string, details: string): void {
    this.violation ??= `${promise}: ${details}`;
  }

  /** The first promise that was broken, and how. */
  firstBroken(): string | undefined {
    return this.violation;
  }

  /** A message follows from a committed state: what it speaks of is there. */
  async deliver(message: Message, store: Store): Promise<void> {
    if (!('submissionId' in message)) return;
    const [found] = await store.get([{ collection: 'submissions', id: message.submissionId }]);
    if (found === undefined)
      this.broken(
        'outbox',
        `a ${message.kind} message was published before its submission was committed`,
      );
  }

  commit(writes: readonly Write[], worker: Worker | undefined): void {
    for (const write of writes) {
      if (write.key.collection === 'outbox') this.onWait(write, worker);
      if (write.op !== 'put') continue;
      if (write.key.collection === 'submissions')
        this.onSubmission(documentOf<SubmissionDoc>(write));
      if (write.key.collection === 'jobs') this.onJob(documentOf<JobDoc>(write), worker);
    }
  }

  published(message: Message, worker: Worker): void {
    this.waits.published(waitIdOf(message), worker);
  }

  private onWait(write: Write, worker: Worker | undefined): void {
    const { id } = write.key;
    if (!id.startsWith('wait-')) return;
    const wrong =
      write.op === 'put'
        ? this.waits.put(id, documentOf<OutboxDoc>(write), { now: this.world.now(), worker })
        : this.waits.deleted(id, worker);
    if (wrong !== undefined) this.broken('outbox', wrong);
  }

  planned(requirements: string | null, key: string): void {
    const before = this.keys.get(requirements) ?? key;
    this.keys.set(requirements, key);
    if (before !== key) this.broken('one key', `the same dependencies make ${before} and ${key}`);
  }

  /**
   * Of builds is promised: an instance has at most one live build of a key and attempt, whatever got lost, while lists are no later than
   * assumed. Instances do not know of each other but by lists: so one may begin beside another's only until lists show that one. Such a
   * double is harmless (it makes the same image) and ends by itself, at the latest by its time limit.
   */
  build(build: SimBuild, live: readonly SimBuild[]): void {
    if (this.buildListLagMs > ASSUMED_LIST_LAG_MS) return;
    const name = `${build.key.slice(0, 12)}.${build.attempt}`;
    if (!Number.isFinite(build.endsAt)) this.broken('builds end', `${name} has no time limit`);
    for (const other of live) {
      if (other.attempt !== build.attempt) continue;
      if (other.by === build.by)
        this.broken('one build', `an instance has two of ${name}: ${other.id} and ${build.id}`);
      const shownMs = this.world.now() - other.visibleAt;
      if (shownMs > SEEN_MS && !this.mayPause())
        this.broken(
          'one build',
          `${build.id} of ${name}, ${shownMs} ms after lists show ${other.id}`,
        );
    }
  }

  private checkEnding({ id, endingCause, dependencies }: SubmissionDoc): void {
    if (endingCause?.code !== 'image-failed') return;
    const key = this.keys.get(dependencies.requirements);
    if (key !== undefined && this.mayGiveUp(key)) return;
    this.broken('builds are tried again', `${id} was given up: ${endingCause.message}`);
  }

  private onSubmission(after: SubmissionDoc): void {
    if (this.submissions.get(after.id)?.endingCause?.code !== 'image-failed')
      this.checkEnding(after);
    this.submissions.set(after.id, after);
    this.noteWaiting(after);
  }

  private onJob(after: JobDoc, worker: Worker | undefined): void {
    const before = this.jobs.get(after.id);
    this.jobs.set(after.id, after);
    if (before === undefined) {
      if (worker?.sawStopped.has(after.submissionId) === true)
        this.broken(
          'I5',
          `job ${after.id} was created by a handler that had read its submission as stopped`,
        );
    } else {
      this.checkMove(before, after);
    }
    if (before?.state === 'QUEUED' && after.state === 'SUBMITTING') this.onClaim(after);
    const submission = this.submissions.get(after.submissionId);
    if (submission === undefined) return;
    this.noteQueued(after, submission.principal);
    this.noteWaiting(submission);
  }

  private checkMove(before: JobDoc, after: JobDoc): void {
    if (before.state === after.state) return;
    if (isTerminal(before.state))
      this.broken('I4', `terminal job ${after.id} moved from ${before.state} to ${after.state}`);
    else if (!isLegalMove(before.state, after.state))
      this.broken('I4', `job ${after.id} moved from ${before.state} to ${after.state}`);
    const claimKept =
      after.claim?.epoch === before.claim?.epoch && after.claim?.holder === before.claim?.holder;
    if (
      before.state === 'SUBMITTING' &&
      after.state === 'SUBMITTING' &&
      !claimKept &&
      (after.claim?.epoch ?? 0) <= (before.claim?.epoch ?? 0)
    ) {
      this.broken('I2', `claim of ${after.id} was replaced without a higher epoch`);
    }
  }

  // A principal with an open submission and a due job waits; each claim by someone else meanwhile counts.
  private onClaim(claimed: JobDoc): void {
    const served = this.submissions.get(claimed.submissionId)?.principal ?? '';
    this.waitingSince.delete(served);
    for (const [principal, waiting] of this.waitingSince) {
      if (this.world.now() - waiting.at < 3_000) continue;
      waiting.others++;
      if (waiting.others > this.fairBound)
        this.broken(
          'fair share',
          `${principal} waited while ${waiting.others} jobs of others were claimed`,
        );
    }
  }

  private noteWaiting(submission: SubmissionDoc): void {
    const { principal } = submission;
    const waits = this.hasDueJob(principal);
    if (!waits) this.waitingSince.delete(principal);
    else if (!this.waitingSince.has(principal))
      this.waitingSince.set(principal, { at: this.world.now(), others: 0 });
  }

  private hasDueJob(principal: string): boolean {
    for (const job of this.queued.get(principal)?.values() ?? []) {
      const submission = this.submissions.get(job.submissionId);
      const open = submission?.openLane !== null && submission?.stopRequestedAt === null;
      if (open && job.notBefore <= this.world.now()) return true;
    }
    return false;
  }

  private noteQueued(job: JobDoc, principal: string): void {
    const queued = this.queued.get(principal) ?? new Map<string, JobDoc>();
    if (job.state === 'QUEUED') queued.set(job.id, job);
    else queued.delete(job.id);
    this.queued.set(principal, queued);
  }

  /** Whether everything accepted has ended. */
  allEnded(): boolean {
    for (const submission of this.submissions.values()) {
      if (!submission.expanded || submission.ending === 'requested') return false;
    }
    for (const job of this.jobs.values()) {
      if (job.live) return false;
    }
    return true;
  }

  /** Jobs by state of a submission, counted here. */
  recount(submissionId: string): Partial<Record<JobState, number>> {
    const counts: Partial<Record<JobState, number>> = {};
    for (const job of this.jobs.values()) {
      if (job.submissionId === submissionId) counts[job.state] = (counts[job.state] ?? 0) + 1;
    }
    return counts;
  }
}

// The write's key says which collection its document is of.
function documentOf<T>(write: { readonly value: unknown }): T {
  return write.value as T;
}
