import { join } from 'node:path';
import { AppError, isAppError } from '../../../../shared/errors/app-error.ts';
import type { Cause } from '../../../../shared/jobs/cause.ts';
import type { PlatformKind } from '../../../../shared/jobs/platform-kind.ts';
import type { LogChunk, Observation, Platform, PlatformJob } from '../../../ports/platform.ts';
import type { Clock, Log } from '../../../ports/runtime.ts';
import { type AttemptFiles, parseRef, refOf } from './attempt-files.ts';
import { readPiece } from './attempt-log.ts';
import { type AttemptEnd, type AttemptSpec, aSpec, damagedSpec } from './attempt-record.ts';
import { refuseUnnameable, tooLate } from './job-rules.ts';

/** One attempt that a keeper looks after. `endSeenAt`: when this process learned of the end (ms). */
export interface TrackedAttempt {
  readonly ref: string;
  readonly spec: AttemptSpec;
  readonly phase: 'waiting' | 'starting' | 'running' | 'ended';
  readonly end: AttemptEnd | null;
  readonly endSeenAt: number;
}

/** Starts, watches and ends the attempts of a platform of this machine. */
export interface Keeper<A extends TrackedAttempt> {
  readonly attempts: ReadonlyMap<string, A>;
  /** Looks after an attempt that was made just now, whose files need no look. */
  accept?(spec: AttemptSpec): void;
  /** Looks after an attempt from now on; nothing when it does already. */
  track(spec: AttemptSpec): Promise<A>;
  /** Looks again at what may have changed. */
  refresh(attempt: A): Promise<void>;
  /** Refreshes all that hold a slot. */
  refreshActive(): Promise<void>;
  /** Asks durably for the end of an attempt; nothing when it is over. Idempotent. */
  stop(attempt: A): Promise<void>;
  /** Drops an ended attempt, unless it still has to be known after a restart. */
  forget(attempt: A): Promise<void>;
}

/** What makes a keeper of attempts a platform. */
export interface AttemptPlatformParts<A extends TrackedAttempt> {
  readonly kind: PlatformKind;
  readonly files: AttemptFiles;
  readonly keeper: Keeper<A>;
  /** Limit of each attempt's log. */
  readonly maxLogBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Throws PlatformRefusal for what can never run here. */
  readonly refuse: (job: PlatformJob) => Promise<void>;
  /** When the program of a running attempt was started; null while that is not known. */
  readonly startedAt: (attempt: A) => number | null;
}

const LIST_PAGE = 100;

/**
 * The platform over attempts in files: accepts durably first, answers from what the keeper knows, and takes up what an
 * earlier service left. The keeper starts nothing before this has resolved.
 */
export async function openAttemptPlatform<A extends TrackedAttempt>(
  parts: AttemptPlatformParts<A>,
): Promise<Platform> {
  const { files, keeper, clock } = parts;
  let order = await adoptLive(parts);

  async function submit(job: PlatformJob): Promise<{ ref: string }> {
    refuseUnnameable(job);
    const ref = refOf(job);
    order += 1;
    const spec = aSpec(job, order, clock.now());
    if (!(await files.exists(ref))) {
      await parts.refuse(job);
      const isInTime = () => clock.now() <= job.createBy;
      const isMade = isInTime() && (await files.create(spec, isInTime));
      if (isMade) keeper.accept?.(spec);
      else if (!(await files.exists(ref))) throw tooLate(job, clock.now());
    }
    await observed(parts, ref);
    return { ref };
  }

  return {
    kind: parts.kind,
    createDeadlineMs: 5000,
    listLagMs: 0,
    submit,
    find: (jobId) => find(parts, jobId),
    list: async (lane, since, cursor) => {
      if (cursor === null) await keeper.refreshActive();
      const page = pageOf(parts, { lane, since, cursor });
      await forgetSeen(keeper, lane, since);
      return page;
    },
    cancel: async (ref) => {
      if (parseRef(ref) === null || (await observed(parts, ref)) === null) return;
      const attempt = keeper.attempts.get(ref);
      if (attempt !== undefined) await keeper.stop(attempt);
    },
    readLog: async (ref, cursor, maxBytes): Promise<LogChunk> => {
      const from = parseCursor(cursor);
      const seen = parseRef(ref) === null ? null : await observed(parts, ref);
      if (seen === null) return { text: '', next: cursor, ended: true };
      const complete = seen.finishedAt !== null;
      const path = join(files.directory(ref), 'log');
      const piece = await readPiece(path, from, { maxBytes, complete, limit: parts.maxLogBytes });
      return { text: piece.text, next: String(piece.next), ended: complete && piece.atEnd };
    },
  };
}

async function find<A extends TrackedAttempt>(
  parts: AttemptPlatformParts<A>,
  jobId: string,
): Promise<Observation[]> {
  const { files, keeper } = parts;
  const found: Observation[] = [];
  for (const ref of await files.attemptsOf(jobId)) {
    const known = keeper.attempts.get(ref);
    if (known !== undefined) await keeper.refresh(known);
    const observation = await observed(parts, ref);
    if (observation !== null) found.push(observation);
  }
  return found;
}

async function observed<A extends TrackedAttempt>(
  parts: AttemptPlatformParts<A>,
  ref: string,
): Promise<Observation | null> {
  const { files, keeper } = parts;
  const known = keeper.attempts.get(ref);
  if (known !== undefined) return observationOf(parts, known);
  const spec = await readSpec(parts, ref);
  if (spec === null) return null;
  const end = await files.readEnd(ref);
  if (end !== null) return { ...commonOf(spec), ...end };
  // New, or a crash came between the attempt and its mark.
  await files.markLive(ref);
  return observationOf(parts, await keeper.track(spec));
}

/** Takes up what an earlier service left; the highest order among it. */
async function adoptLive<A extends TrackedAttempt>(
  parts: AttemptPlatformParts<A>,
): Promise<number> {
  const { files, keeper } = parts;
  const specs: AttemptSpec[] = [];
  for (const ref of await files.live()) {
    const spec = await readSpec(parts, ref);
    if (spec === null)
      await files.retire(ref); // marked, but never made
    else specs.push(spec);
  }
  specs.sort((a, b) => a.order - b.order);
  for (const spec of specs) await keeper.track(spec);
  return specs.at(-1)?.order ?? 0;
}

// One damaged file must not hide a program that runs, nor keep it from being stopped.
async function readSpec(
  { files, clock, log }: Pick<AttemptPlatformParts<never>, 'files' | 'clock' | 'log'>,
  ref: string,
): Promise<AttemptSpec | null> {
  try {
    return await files.readSpec(ref);
  } catch (error) {
    const named = parseRef(ref);
    if (isAppError(error) || named === null) throw error;
    log.error(
      { err: error, ref, ...named },
      'the files of a job cannot be read; if it runs, it is seen to its end',
    );
    return damagedSpec(named, clock.now());
  }
}

function pageOf<A extends TrackedAttempt>(
  parts: AttemptPlatformParts<A>,
  asked: { readonly lane: string; readonly since: number; readonly cursor: string | null },
): { items: readonly Observation[]; next: string | null } {
  const { cursor } = asked;
  const rest = [...parts.keeper.attempts.values()]
    .filter((attempt) => isOfLane(attempt, asked.lane))
    .filter((attempt) => attempt.phase !== 'ended' || attempt.endSeenAt >= asked.since)
    .filter((attempt) => cursor === null || attempt.ref > cursor)
    .toSorted((a, b) => (a.ref < b.ref ? -1 : 1));
  const page = rest.slice(0, LIST_PAGE);
  const next = rest.length > LIST_PAGE ? (page.at(-1)?.ref ?? null) : null;
  return { items: page.map((attempt) => observationOf(parts, attempt)), next };
}

// Who asks from `since` on has seen what ended before.
async function forgetSeen<A extends TrackedAttempt>(
  keeper: Keeper<A>,
  lane: string,
  since: number,
): Promise<void> {
  for (const attempt of [...keeper.attempts.values()]) {
    const isSeen = attempt.phase === 'ended' && attempt.endSeenAt < since;
    if (isSeen && isOfLane(attempt, lane)) await keeper.forget(attempt);
  }
}

// Of a damaged one nobody knows: every lane is told of it.
function isOfLane({ spec }: TrackedAttempt, lane: string): boolean {
  return spec.job.lane === lane || spec.damage !== undefined;
}

function observationOf<A extends TrackedAttempt>(
  parts: AttemptPlatformParts<A>,
  attempt: A,
): Observation {
  const common = commonOf(attempt.spec);
  if (attempt.end !== null) return { ...common, ...attempt.end };
  const open = { ...common, finishedAt: null, exitCode: null };
  const startedAt = attempt.phase === 'running' ? parts.startedAt(attempt) : null;
  return startedAt === null
    ? { ...open, state: 'SUBMITTED', startedAt, cause: WAITING }
    : { ...open, state: 'RUNNING', startedAt, cause: RUNNING };
}

function commonOf(spec: AttemptSpec) {
  const { jobId, attempt } = spec.job;
  return { jobId, attempt, ref: refOf(spec.job), createdAt: spec.createdAt };
}

const RUNNING: Cause = { code: 'started', message: 'Running on this machine.' };
const WAITING: Cause = { code: 'submitted', message: 'Waiting for a free slot of this machine.' };

function parseCursor(cursor: string): number {
  if (/^\d{0,15}$/.test(cursor)) return Number(cursor);
  throw new AppError('CURSOR_INVALID', `No position in a log: ${JSON.stringify(cursor)}.`, {
    hint: 'Use the one of the last answer, or none.',
  });
}
