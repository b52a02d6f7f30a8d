import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, isAppError } from '../../../../shared/errors/app-error.ts';
import type { Cause } from '../../../../shared/jobs/cause.ts';
import type { LogChunk, Observation, Platform, PlatformJob } from '../../../ports/platform.ts';
import type { Clock, Log } from '../../../ports/runtime.ts';
import { replaceFile } from '../durable-file.ts';
import { type AttemptFiles, openAttemptFiles, parseRef, refOf } from './attempt-files.ts';
import { type Attempt, AttemptKeeper } from './attempt-keeper.ts';
import { createLaunch } from './attempt-launch.ts';
import { readPiece } from './attempt-log.ts';
import { type AttemptSpec, aSpec } from './attempt-record.ts';
import type { Environment } from './job-environment.ts';
import { refuseUnnameable, refuseUnrunnable, tooLate } from './process-job-rules.ts';
import { createProcessTable } from './process-table.ts';
import { createSpawner } from './spawner.ts';
import { SUPERVISOR_SCRIPT } from './supervisor.ts';
import { startSweeper } from './workspace-sweeper.ts';
import { type LayerSource, openWorkspaces, type Workspaces } from './workspaces.ts';

/** What the process platform needs. */
export interface ProcessPlatformOptions extends LayerSource {
  /** Its own directory; only one process at a time may have it open. */
  readonly dir: string;
  /** How many programs run at once; the others wait in the order of their submission. */
  readonly slots: number;
  readonly clock: Clock;
  readonly log: Log;
  /** The service's environment; programs get the part that job-environment.ts names. */
  readonly environment: Environment;
  /** Throws AppError PYTHON_MISSING. */
  readonly interpreter: () => Promise<{ readonly python: string; readonly version: string }>;
  readonly venvDir: (key: string) => string;
  /** Time between TERM and KILL. Default 10 s. */
  readonly graceMs?: number;
  /** How often running programs are looked at; their end is also noticed at once where it can be. Default 500 ms. */
  readonly pollMs?: number;
  /** A hint that something about this job changed. */
  readonly onChange?: (jobId: string) => void;
}

const LIST_PAGE = 100;

/**
 * Runs jobs as processes of this machine. All its state is in files and in the process table: it can be killed at any
 * instant and opened again, and its programs go on meanwhile. `close` leaves them running too.
 */
export async function openProcessPlatform(
  options: ProcessPlatformOptions,
): Promise<Platform & { close(): Promise<void> }> {
  const { dir, clock } = options;
  await mkdir(dir, { recursive: true });
  const files = await openAttemptFiles(dir);
  const { keeper, workspaces, close } = await openKeeper(options, files);
  let order = await adoptLive(files, keeper, options.log);
  keeper.open();
  const sweeper = startSweeper({ ...options, workspaces, keeper });

  async function submit(job: PlatformJob): Promise<{ ref: string }> {
    refuseUnnameable(job);
    const ref = refOf(job);
    order += 1;
    const spec = aSpec(job, order, clock.now());
    if (!(await files.exists(ref))) {
      await refuseUnrunnable(job, options.interpreter);
      const isInTime = () => clock.now() <= job.createBy;
      const isMade = isInTime() && (await files.create(spec, isInTime));
      if (isMade) keeper.accept(spec);
      else if (!(await files.exists(ref))) throw tooLate(job, clock.now());
    }
    await observed(ref);
    return { ref };
  }

  async function observed(ref: string): Promise<Observation | null> {
    const known = keeper.attempts.get(ref);
    if (known !== undefined) return observationOf(known.spec, known);
    const spec = await files.readSpec(ref);
    if (spec === null) return null;
    const end = await files.readEnd(ref);
    if (end !== null) return observationOf(spec, { phase: 'ended', start: null, end });
    // New, or a crash came between the attempt and its mark.
    await files.markLive(ref);
    return observationOf(spec, await keeper.track(spec));
  }

  async function find(jobId: string): Promise<Observation[]> {
    const found: Observation[] = [];
    for (const ref of await files.attemptsOf(jobId)) {
      const known = keeper.attempts.get(ref);
      if (known !== undefined) await keeper.refresh(known);
      const observation = await observed(ref);
      if (observation !== null) found.push(observation);
    }
    return found;
  }

  async function readLog(ref: string, cursor: string, maxBytes: number): Promise<LogChunk> {
    const from = parseCursor(cursor);
    const seen = parseRef(ref) === null ? null : await observed(ref);
    if (seen === null) return { text: '', next: cursor, ended: true };
    const complete = seen.finishedAt !== null;
    const piece = await readPiece(join(files.directory(ref), 'log'), from, { maxBytes, complete });
    return { text: piece.text, next: String(piece.next), ended: complete && piece.atEnd };
  }

  return {
    kind: 'process',
    createDeadlineMs: 5000,
    listLagMs: 0,
    ahead: () => keeper.ahead(),
    submit,
    find,
    list: (lane, since, cursor) => listPage(keeper, { lane, since, cursor }),
    cancel: async (ref) => {
      if (parseRef(ref) === null || (await observed(ref)) === null) return;
      const attempt = keeper.attempts.get(ref);
      if (attempt !== undefined) await keeper.stop(attempt);
    },
    readLog,
    close: () => close().finally(sweeper.close),
  };
}

async function openKeeper(
  options: ProcessPlatformOptions,
  files: AttemptFiles,
): Promise<{
  readonly keeper: AttemptKeeper;
  readonly workspaces: Workspaces;
  close(): Promise<void>;
}> {
  const { dir } = options;
  const spawner = createSpawner();
  const table = createProcessTable(process.platform);
  const supervisor = join(dir, 'supervisor.sh');
  await replaceFile(supervisor, SUPERVISOR_SCRIPT);
  const bootId = await table.bootId();
  const workspaces = await openWorkspaces(join(dir, 'workspaces'), bootId, options);
  const binDir = join(dir, 'interpreters');
  const keeper = new AttemptKeeper({
    files,
    table,
    launch: createLaunch({ ...options, files, workspaces, spawner, supervisor, binDir }),
    clock: options.clock,
    log: options.log,
    slots: options.slots,
    graceMs: options.graceMs ?? 10_000,
    pollMs: options.pollMs ?? 500,
    onChange: options.onChange ?? (() => undefined),
  });
  return {
    keeper,
    workspaces,
    close() {
      spawner.close();
      return keeper.close();
    },
  };
}

/** Takes up what an earlier service left; the highest order among it. */
async function adoptLive(files: AttemptFiles, keeper: AttemptKeeper, log: Log): Promise<number> {
  const specs: AttemptSpec[] = [];
  for (const ref of await files.live()) {
    const spec = await readSpec(files, ref, log);
    if (spec !== null) specs.push(spec);
  }
  specs.sort((a, b) => a.order - b.order);
  for (const spec of specs) await keeper.track(spec);
  return specs.at(-1)?.order ?? 0;
}

async function readSpec(files: AttemptFiles, ref: string, log: Log): Promise<AttemptSpec | null> {
  try {
    const spec = await files.readSpec(ref);
    if (spec === null) await files.retire(ref); // marked, but never made
    return spec;
  } catch (error) {
    if (isAppError(error)) throw error;
    log.error({ err: error, ref }, 'the files of a job cannot be read; it is left alone');
    return null;
  }
}

interface Asked {
  readonly lane: string;
  readonly since: number;
  readonly cursor: string | null;
}

interface ListPage {
  readonly items: readonly Observation[];
  readonly next: string | null;
}

async function listPage(keeper: AttemptKeeper, asked: Asked): Promise<ListPage> {
  if (asked.cursor === null) await keeper.refreshActive();
  const page = pageOf(keeper, asked);
  await forgetSeen(keeper, asked.lane, asked.since);
  return page;
}

function pageOf(keeper: AttemptKeeper, asked: Asked): ListPage {
  const { cursor } = asked;
  const rest = [...keeper.attempts.values()]
    .filter((attempt) => attempt.spec.job.lane === asked.lane)
    .filter((attempt) => attempt.phase !== 'ended' || attempt.endSeenAt >= asked.since)
    .filter((attempt) => cursor === null || attempt.ref > cursor)
    .toSorted((a, b) => (a.ref < b.ref ? -1 : 1));
  const page = rest.slice(0, LIST_PAGE);
  const next = rest.length > LIST_PAGE ? (page.at(-1)?.ref ?? null) : null;
  return { items: page.map((attempt) => observationOf(attempt.spec, attempt)), next };
}

// Who asks from `since` on has seen what ended before.
async function forgetSeen(keeper: AttemptKeeper, lane: string, since: number): Promise<void> {
  for (const attempt of [...keeper.attempts.values()]) {
    const isSeen = attempt.phase === 'ended' && attempt.endSeenAt < since;
    if (isSeen && attempt.spec.job.lane === lane) await keeper.forget(attempt);
  }
}

function observationOf(
  spec: AttemptSpec,
  now: Pick<Attempt, 'phase' | 'start' | 'end'>,
): Observation {
  const { jobId, attempt } = spec.job;
  const common = { jobId, attempt, ref: refOf(spec.job), createdAt: spec.createdAt };
  if (now.end !== null) return { ...common, ...now.end };
  const open = { ...common, finishedAt: null, exitCode: null };
  return now.phase === 'running' && now.start?.kind === 'taken'
    ? { ...open, state: 'RUNNING', startedAt: now.start.at, cause: RUNNING }
    : { ...open, state: 'SUBMITTED', startedAt: null, cause: WAITING };
}

const RUNNING: Cause = { code: 'started', message: 'Running on this machine.' };
const WAITING: Cause = { code: 'submitted', message: 'Waiting for a free slot of this machine.' };

function parseCursor(cursor: string): number {
  if (/^\d{0,15}$/.test(cursor)) return Number(cursor);
  throw new AppError('CURSOR_INVALID', `No position in a log: ${JSON.stringify(cursor)}.`, {
    hint: 'Use the one of the last answer, or none.',
  });
}
