import type { AttemptOnDisk, AttemptsOnDisk } from '../adapters/local/attempts/attempt-audit.ts';
import { type CheckStage, unitOf } from '../core/check/check-stage.ts';
import { absenceOf, type Difference } from '../core/check/difference.ts';
import { documentsFrom, readDocuments, together } from '../core/check/documents-from.ts';
import type { CoreDeps } from '../core/deps.ts';
import type { Key } from '../ports/store.ts';
import { attemptDifference, attemptFaults } from './attempt-faults.ts';
import type { LocalPlatform } from './platform-choice.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

/** The files of attempts, by the platform that made them. */
export type AttemptPlaces = ReadonlyMap<string, AttemptsOnDisk>;

/** Jobs whose files are read at once: some milliseconds, in which a service that runs answers nobody. */
const TOGETHER = 50;

/** Every directory of an attempt: it has a job. */
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

/** Every job that its platform has taken: the files of its attempt are there, and say the same as it does. */
export function jobFilesStage(deps: StoreDeps, places: AttemptPlaces): CheckStage {
  return {
    name: 'job-files',
    async *units(after) {
      const jobs = documentsFrom(deps, 'recentJobs', { params: {}, after });
      for await (const { keys, place } of together(jobs, TOGETHER)) {
        const look = () => lookAtFiles(deps, places, keys);
        yield await unitOf(place, { 'jobs against files': keys.length }, look);
      }
    },
  };
}

async function lookAtAttempts(
  deps: StoreDeps,
  attempts: readonly AttemptOnDisk[],
): Promise<readonly Difference[]> {
  const keys = attempts.map(({ jobId }): Key => ({ collection: 'jobs', id: jobId }));
  const jobs = await readDocuments(deps, keys);
  return attempts.flatMap(({ ref, jobId }) => {
    if (jobs.get('jobs', jobId) !== undefined) return [];
    return [
      attemptDifference(ref, jobId, {
        found: 'its job does not exist',
        expected: `a job ${jobId}`,
        fix: 'Move its directory away once you have looked at it: no job will ever show it.',
        basis: [absenceOf({ collection: 'jobs', id: jobId })],
      }),
    ];
  });
}

// Files are read behind the records: what a record tells of them was there before it.
async function lookAtFiles(
  deps: StoreDeps,
  places: AttemptPlaces,
  keys: readonly Key<'jobs'>[],
): Promise<readonly Difference[]> {
  const jobs = (await deps.store.get(keys)).filter((job) => job !== undefined);
  const around = await readDocuments(
    deps,
    jobs.map(({ value }): Key => ({ collection: 'submissions', id: value.submissionId })),
  );
  return jobs.flatMap((job) => {
    const { ref, platform, submissionId } = job.value;
    const files = places.get(platform);
    if (files === undefined || ref === null) return [];
    const submission = around.get('submissions', submissionId);
    return attemptFaults({ job, submission, remains: files.remains(ref) });
  });
}
