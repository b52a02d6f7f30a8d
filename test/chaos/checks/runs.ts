import type { AttemptOnDisk } from '../attempts.ts';
import { jobIdOf } from '../ledger.ts';
import type { Line } from '../lines.ts';
import { ENDLESS_SECONDS, type Point } from '../plan.ts';
import type { Stage } from '../stage.ts';
import { type Check, check } from './check.ts';
import type { Evidence, JobRow } from './evidence.ts';

/** A job, what it was to do, and everything known of what it did. */
interface Case {
  readonly job: JobRow;
  readonly point: Point;
  readonly lines: readonly Line[];
  readonly attempts: readonly AttemptOnDisk[];
}

/** Each program ran once; those whose supervisor was killed failed and say so; those that were stopped are STOPPED. */
export function checkRuns(stage: Pick<Stage, 'ledger' | 'killer'>, evidence: Evidence): Check[] {
  const killed = new Set(stage.killer.killed.map(({ jobId }) => jobId));
  const cases = casesOf(stage, evidence);
  const victims = cases.runs.filter((each) => killed.has(each.job.id) && !hadEnded(each));
  const runs = cases.runs.filter((each) => !victims.includes(each));
  const planned = cases.runs.filter(({ point }) => point.doze === ENDLESS_SECONDS).length;
  const endless = victims.filter(({ point }) => point.doze === ENDLESS_SECONDS).length;
  return [
    check(
      'each script ran exactly once and succeeded',
      `${runs.length} jobs`,
      runs.flatMap(ranOnce),
    ),
    check('a job whose supervisor was killed failed, with that cause', `${victims.length} jobs`, [
      ...victims.flatMap(failedAsKilled),
      ...(planned === endless ? [] : [`${planned} were to be killed, ${endless} were`]),
    ]),
    check(
      'what was stopped is STOPPED',
      `${cases.stopped.length} jobs`,
      cases.stopped.flatMap(isStopped),
    ),
    check('nothing ran that is no job', `${evidence.lines.length} lines`, cases.strangers),
  ];
}

// Its supervisor had written the exit status down when it was killed.
function hadEnded({ attempts }: Case): boolean {
  return attempts[0]?.exitCode === 0;
}

function casesOf({ ledger }: Pick<Stage, 'ledger'>, evidence: Evidence) {
  const jobs = new Map(evidence.jobs.map((job) => [job.id, job]));
  const lines = Map.groupBy(evidence.lines, ({ jobId }) => jobId);
  const attempts = Map.groupBy(evidence.attempts, ({ jobId }) => jobId);
  const runs: Case[] = [];
  const stopped: Case[] = [];
  for (const accepted of ledger.all) {
    for (const [index, point] of accepted.sweep.points.entries()) {
      const id = jobIdOf(accepted, index);
      const job = jobs.get(id);
      if (job === undefined) continue; // another check says so
      const each = { job, point, lines: lines.get(id) ?? [], attempts: attempts.get(id) ?? [] };
      (accepted.sweep.fate === 'runs' ? runs : stopped).push(each);
    }
  }
  const strangers = [...lines.keys(), ...attempts.keys()].filter((id) => !jobs.has(id));
  return { runs, stopped, strangers };
}

function ranOnce({ job, point, lines, attempts }: Case): readonly string[] {
  const [line] = lines;
  const [attempt] = attempts;
  const isRight =
    job.state === 'SUCCEEDED' &&
    job.exitCode === 0 &&
    lines.length === 1 &&
    line?.n === point.n &&
    attempts.length === 1 &&
    attempt?.exitCode === 0 &&
    attempt.end === 'SUCCEEDED';
  return isRight ? [] : [`${factsOf(job, lines, attempts)} (n ${point.n})`];
}

function failedAsKilled({ job, lines, attempts }: Case): readonly string[] {
  const [attempt] = attempts;
  const isRight =
    job.state === 'FAILED' &&
    job.cause.code === 'supervisor-killed' &&
    job.exitCode === null &&
    lines.length <= 1 &&
    attempts.length === 1 &&
    attempt?.exitCode === null &&
    attempt.end === 'FAILED';
  return isRight ? [] : [factsOf(job, lines, attempts)];
}

function isStopped({ job, lines, attempts }: Case): readonly string[] {
  const isRight = job.state === 'STOPPED' && lines.length <= 1 && attempts.length <= 1;
  return isRight ? [] : [factsOf(job, lines, attempts)];
}

function factsOf(job: JobRow, lines: readonly Line[], attempts: readonly AttemptOnDisk[]): string {
  const ends = attempts.map(({ attempt, end, exitCode }) => `${attempt}: ${end} ${exitCode}`);
  return `${job.id} is ${job.state} (${job.cause.code}: ${job.cause.message}), wrote ${lines.length} lines, attempts ${ends.join('; ')}`;
}
