import { isDeepStrictEqual } from 'node:util';
import type { AttemptRemains, Unreadable } from '../adapters/local/attempts/attempt-audit.ts';
import { refOf } from '../adapters/local/attempts/attempt-files.ts';
import type { AttemptEnd, AttemptSpec } from '../adapters/local/attempts/attempt-record.ts';
import { type Difference, HEALS, versionOf } from '../core/check/difference.ts';
import type { JobDoc, SubmissionDoc } from '../ports/documents.ts';
import type { Stored } from '../ports/store.ts';

/** A job that its platform has taken, and the files of the attempt that it names; `remains` null: there are none. */
export interface JobWithFiles {
  readonly job: Stored<'jobs'>;
  readonly submission: Stored<'submissions'> | undefined;
  readonly remains: AttemptRemains | null;
}

type Told = Pick<Difference, 'found' | 'expected' | 'fix' | 'basis'>;

const GONE =
  'What was observed of the attempt was lost or changed outside caliban: restore its directory from a backup, or submit the job again.';

/** A difference of an attempt. */
export function attemptDifference(ref: string, jobId: string, told: Told): Difference {
  return { kind: 'attempt', subject: `attempt ${ref}`, ids: { jobId, ref }, ...told };
}

/** Where a job and the files of its attempt do not say the same, or one of these files cannot be read or is not there. */
export function attemptFaults(at: JobWithFiles): Difference[] {
  const { job, remains } = at;
  const { id, attempt } = job.value;
  const ref = refOf({ jobId: id, attempt });
  return faultsIn(at, ref, remains).map(({ found, expected, fix = GONE }) =>
    attemptDifference(ref, id, { found, expected, fix, basis: [versionOf(job)] }),
  );
}

interface Fault {
  readonly found: string;
  readonly expected: string;
  readonly fix?: string;
}

function faultsIn(at: JobWithFiles, ref: string, remains: AttemptRemains | null): Fault[] {
  const { job, submission } = at;
  if (job.value.ref !== ref) {
    return [{ found: `its job names attempt ${job.value.ref}`, expected: ref }];
  }
  if (isLost(job.value)) return [];
  if (remains === null) return [withoutFiles(job.value)];
  const { spec, end } = remains;
  return [
    ...specFaults(job.value, submission?.value, spec),
    ...endFaults(job.value, end),
    ...(job.value.live ? [] : ranFaults(job.value, remains)),
  ];
}

// Its platform knew nothing of it any more, for seven days: the job says so itself.
function isLost({ state, history }: JobDoc): boolean {
  const last = history.at(-1);
  return state === 'FAILED' && last?.from === 'UNKNOWN' && last.cause.code === 'lost';
}

function withoutFiles({ state, live }: JobDoc): Fault {
  const found = `its job is ${state}, and there are no files of it`;
  if (!live) return { found, expected: 'its end as it was observed, its log and its outputs' };
  return {
    found,
    expected: 'files of every attempt that its platform has taken',
    fix: 'A running service tells the job as lost after 7 days. Stop it now: caliban stop; then submit again.',
  };
}

function specFaults(
  job: JobDoc,
  submission: SubmissionDoc | undefined,
  spec: AttemptSpec | Unreadable,
): Fault[] {
  const expected = 'what the platform was asked to run';
  if (typeof spec === 'string') return [{ found: unread('spec.json', spec), expected }];
  if (submission === undefined) return [];
  const found = startedWith(spec);
  const wanted: ReturnType<typeof startedWith> = {
    ref: refOf({ jobId: job.id, attempt: job.attempt }),
    lane: job.lane,
    command: submission.command,
    args: [...submission.scriptArgs, ...job.flags],
    hardware: submission.hardware,
    layers: spec.job.run.kind === 'workspace' ? submission.codeLayers : null,
  };
  const wrong = Object.entries(found).flatMap(([name, value]) => {
    const [, want] = Object.entries(wanted).find(([other]) => other === name) ?? [];
    return isDeepStrictEqual(value, want) ? [] : [[name, value, want] as const];
  });
  return wrong.map(([name, value, want]) => ({
    found: `spec.json: ${name} ${shown(value)}`,
    expected: `${shown(want)}, as its job and submission say`,
  }));
}

// Not what it runs in: a copy of the records prepares that anew.
function startedWith({ job }: AttemptSpec) {
  const { lane, command, args, hardware, run } = job;
  const layers = run.kind === 'workspace' ? run.layers : null;
  return { ref: refOf(job), lane, command, args, hardware, layers };
}

function endFaults(job: JobDoc, end: AttemptEnd | Unreadable): Fault[] {
  if (job.live) {
    if (end !== 'damaged') return [];
    return [{ found: unread('end.json', end), expected: 'its end, or no file', fix: HEALS }];
  }
  if (typeof end === 'string') {
    return [{ found: unread('end.json', end), expected: `${endText(job)}, as its job says` }];
  }
  if (endText(end) === endText(job) && isSameTime(job, end)) return [];
  return [
    {
      found: `it ended ${endText(end)}${isSameTime(job, end) ? '' : ', at another time'}`,
      expected: `${endText(job)}, as its job says`,
      fix: 'The files of the attempt are what was observed: trust its log and end.json, and resubmit if in doubt.',
    },
  ];
}

function isSameTime(job: JobDoc, end: AttemptEnd): boolean {
  const started = job.startedAt ?? end.startedAt;
  const isSameStart = end.startedAt === null || started === end.startedAt;
  return isSameStart && (job.finishedAt === null || job.finishedAt === end.finishedAt);
}

// A program that told an exit code ran, so it left these.
function ranFaults({ platform, exitCode }: JobDoc, { names, ...remains }: AttemptRemains): Fault[] {
  if (exitCode === null) return [];
  const needed = platform === 'process' ? ['started', 'log'] : ['log'];
  const missing = needed.filter((name) => !names.has(name));
  const faults: Fault[] = missing.map((name) => ({
    found: unread(name, 'absent'),
    expected: `the ${name} of a program that ran`,
  }));
  if (platform !== 'process' || remains.exitCode === exitCode) return faults;
  const told = remains.exitCode;
  const found = typeof told === 'string' ? unread('exit.json', told) : `exit.json: ${told}`;
  return [...faults, { found, expected: `exit code ${exitCode}, as its job says` }];
}

function endText({ state, exitCode }: Pick<JobDoc, 'state' | 'exitCode'>): string {
  return exitCode === null ? state : `${state} with exit code ${exitCode}`;
}

function unread(name: string, how: Unreadable): string {
  return how === 'absent' ? `its ${name} is not there` : `its ${name} cannot be read`;
}

const LONGEST = 200;

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
