import type { AttemptOnDisk, AttemptsOnDisk } from '../adapters/local/attempts/attempt-audit.ts';
import { type CheckStage, type Place, unitOf } from '../core/check/check-stage.ts';
import { absenceOf, type Difference, versionOf } from '../core/check/difference.ts';
import {
  documentsFrom,
  type Placed,
  readDocuments,
  together,
} from '../core/check/documents-from.ts';
import type { CoreDeps } from '../core/deps.ts';
import { everyOf } from '../core/records.ts';
import type { JobDoc } from '../ports/documents.ts';
import type { Key, Stored } from '../ports/store.ts';
import type { LocalPlatform } from './platform-choice.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

const TOGETHER = 200;

/** The files of attempts against the jobs: whose they are, and how they ended. */
export function attemptsStage(
  deps: StoreDeps,
  platform: LocalPlatform,
  files: AttemptsOnDisk,
): CheckStage {
  return {
    name: `${platform}-attempts`,
    async *units(after) {
      const [done] = after ?? [];
      for (const bucket of await files.buckets()) {
        if (done !== undefined && bucket <= String(done)) continue;
        const attempts = await files.attempts(bucket);
        const look = () => lookAtAttempts(deps, attempts);
        yield await unitOf([bucket], { attempts: attempts.length }, look);
      }
    },
  };
}

/** Jobs that are said to be on this machine against the files: each has its attempt. */
export function activeJobsStage(
  deps: StoreDeps,
  platform: LocalPlatform,
  files: AttemptsOnDisk,
): CheckStage {
  return {
    name: `${platform}-active-jobs`,
    async *units(after) {
      for await (const { keys, place } of together(activeJobs(deps, platform, after), TOGETHER)) {
        const look = () => lookAtActive(deps, files, keys);
        yield await unitOf(place, { 'active jobs': keys.length }, look);
      }
    },
  };
}

async function* activeJobs(
  deps: StoreDeps,
  platform: LocalPlatform,
  after: Place | null,
): AsyncGenerator<Placed<'jobs'>> {
  const [laneBefore = '', ...inside] = after ?? [];
  for (const lane of await lanesHere(deps, platform)) {
    if (lane < String(laneBefore)) continue;
    const at = { params: { lane, active: true }, after: lane === laneBefore ? inside : null };
    for await (const { stored, place } of documentsFrom(deps, 'activeJobsOfLane', at)) {
      yield { stored, place: [lane, ...place] };
    }
  }
}

async function lanesHere(deps: StoreDeps, platform: LocalPlatform): Promise<string[]> {
  const ids: string[] = [];
  for await (const { value } of everyOf(deps, 'lanes', {})) {
    if (value.platform === platform) ids.push(value.id);
  }
  return ids.sort();
}

async function lookAtAttempts(
  deps: StoreDeps,
  attempts: readonly AttemptOnDisk[],
): Promise<readonly Difference[]> {
  const keys = attempts.map(({ jobId }): Key => ({ collection: 'jobs', id: jobId }));
  const jobs = await readDocuments(deps, keys);
  return attempts.flatMap((attempt) => {
    const job = jobs.get('jobs', attempt.jobId);
    if (job !== undefined) return endFault(job, attempt);
    return [
      difference(attempt, {
        found: 'its job does not exist',
        expected: `a job ${attempt.jobId}`,
        fix: 'Move its directory away once you have looked at it: no job will ever show it.',
        basis: [absenceOf({ collection: 'jobs', id: attempt.jobId })],
      }),
    ];
  });
}

function endFault(job: Stored<'jobs'>, attempt: AttemptOnDisk): Difference[] {
  const { end } = attempt;
  if (end === null || job.value.live || job.value.ref !== attempt.ref) return [];
  if (job.value.state === end.state && job.value.exitCode === end.exitCode) return [];
  return [
    difference(attempt, {
      found: `it ended ${endText(end)}`,
      expected: `${endText(job.value)}, as its job says`,
      fix: 'The files of the attempt are what was observed: trust its log and end.json, and resubmit if in doubt.',
      basis: [versionOf(job)],
    }),
  ];
}

function endText({ state, exitCode }: Pick<JobDoc, 'state' | 'exitCode'>): string {
  return exitCode === null ? state : `${state} with exit code ${exitCode}`;
}

async function lookAtActive(
  deps: StoreDeps,
  files: AttemptsOnDisk,
  keys: readonly Key<'jobs'>[],
): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for (const job of await deps.store.get(keys)) {
    const ref = job?.value.ref ?? null;
    if (job === undefined || !job.value.active || ref === null) continue;
    if (await files.exists(ref)) continue;
    const { id, state, attempt } = job.value;
    differences.push(
      difference(
        { ref, jobId: id, attempt },
        {
          found: `its job is ${state}, and there are no files of it`,
          expected: 'files of every attempt that its platform has taken',
          fix: 'A running service tells the job as lost after 7 days. Stop it now: caliban stop; then submit again.',
          basis: [versionOf(job)],
        },
      ),
    );
  }
  return differences;
}

function difference(
  { ref, jobId }: Pick<AttemptOnDisk, 'ref' | 'jobId' | 'attempt'>,
  told: Pick<Difference, 'found' | 'expected' | 'fix' | 'basis'>,
): Difference {
  return { kind: 'attempt', subject: `attempt ${ref}`, ids: { jobId, ref }, ...told };
}
