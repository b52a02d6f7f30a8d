import type { JobDoc, SubmissionDoc } from '../../ports/documents.ts';
import type { Key, Stored } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { chunkIdOf, jobIdOf, jobIdOfOrder } from '../ids.ts';
import { type CheckStage, unitOf } from './check-stage.ts';
import { type Difference, LOST, versionOf } from './difference.ts';
import { documentsFrom, type ReadDocuments, readDocuments, together } from './documents-from.ts';
import { contradictionsOf } from './job-contradictions.ts';
import { historyFaultOf } from './job-history.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

const TOGETHER = 200;

/** Every job: its history, what follows from its state, and that what it names exists. */
export function jobsStage(deps: StoreDeps): CheckStage {
  return {
    name: 'jobs',
    async *units(after) {
      const jobs = documentsFrom(deps, 'recentJobs', { params: {}, after });
      for await (const { keys, place } of together(jobs, TOGETHER)) {
        yield await unitOf(place, { jobs: keys.length }, () => lookAtJobs(deps, keys));
      }
    },
  };
}

async function lookAtJobs(
  deps: StoreDeps,
  keys: readonly Key<'jobs'>[],
): Promise<readonly Difference[]> {
  const jobs = (await deps.store.get(keys)).filter((job) => job !== undefined);
  const around = await readDocuments(
    deps,
    jobs.flatMap(({ value }) => namedBy(value)),
  );
  const chunks = await readDocuments(
    deps,
    jobs.flatMap(({ value }) => chunkOf(value, around)?.key ?? []),
  );
  const origins = await readDocuments(
    deps,
    jobs.flatMap((job) => originOf(job.value, around) ?? []),
  );
  return jobs.flatMap((job) => [
    ...placeFaults(job, around, chunks),
    ...originFault(job.value, around, origins),
    ...historyFaultOf(job),
    ...contradictionsOf(job),
  ]);
}

function namedBy(job: JobDoc): Key[] {
  return [
    { collection: 'submissions', id: job.submissionId },
    { collection: 'groups', id: job.groupId },
    { collection: 'experiments', id: job.experimentId },
    { collection: 'lanes', id: job.lane },
  ];
}

// The job that wrote the experiment first, where that is another one.
function originOf(job: JobDoc, around: ReadDocuments): Key<'jobs'> | undefined {
  const order = around.get('experiments', job.experimentId)?.value.order;
  if (order === undefined || order === job.order) return undefined;
  return { collection: 'jobs', id: jobIdOfOrder(order) };
}

function originFault(job: JobDoc, around: ReadDocuments, origins: ReadDocuments): Difference[] {
  const experiment = around.get('experiments', job.experimentId);
  const key = originOf(job, around);
  if (experiment === undefined || key === undefined) return [];
  const { id: experimentId, groupId, order } = experiment.value;
  const origin = origins.get('jobs', key.id)?.value;
  if (origin?.order === order && origin.experimentId === experimentId) return [];
  return [
    {
      kind: 'experiment',
      subject: `experiment ${experimentId}`,
      ids: { experimentId, groupId },
      found: `order ${order}`,
      expected: 'that of the job that first was of it',
      fix: LOST,
      basis: [versionOf(experiment), origins.basis('jobs', key.id)],
    },
  ];
}

function chunkOf(job: JobDoc, around: ReadDocuments) {
  const submission = around.get('submissions', job.submissionId)?.value;
  if (submission === undefined) return undefined;
  const index = Math.floor(job.index / submission.chunkSize);
  const id = chunkIdOf(submission.id, index);
  return { key: { collection: 'chunks', id } satisfies Key, index };
}

function placeFaults(
  job: Stored<'jobs'>,
  around: ReadDocuments,
  chunks: ReadDocuments,
): Difference[] {
  const { value } = job;
  const fault = (found: string, basis: readonly string[], expected: string): Difference => ({
    kind: 'job',
    subject: `job ${value.id}`,
    ids: { jobId: value.id, submissionId: value.submissionId },
    found,
    expected,
    fix: LOST,
    basis: [versionOf(job), ...basis],
  });
  const missing = namedBy(value)
    .filter(({ collection, id }) => around.get(collection, id) === undefined)
    .map(({ collection, id }) =>
      fault(
        `${NAMES[collection] ?? collection} ${id} does not exist`,
        [around.basis(collection, id)],
        'what a job belongs to exists',
      ),
    );
  const submission = around.get('submissions', value.submissionId);
  if (submission === undefined) return missing;
  const chunk = chunkOf(value, around);
  const unrecorded =
    chunk === undefined || chunks.get('chunks', chunk.key.id) !== undefined
      ? []
      : [
          fault(
            `chunk ${chunk.index} of its submission has no record`,
            [versionOf(submission), chunks.basis('chunks', chunk.key.id)],
            'a job is written together with the record of its chunk',
          ),
        ];
  const misplaced = misplacement(value, submission.value);
  const odd = misplaced === undefined ? [] : [fault(...misplaced)];
  return [...missing, ...unrecorded, ...odd];
}

const NAMES: Readonly<Record<string, string>> = {
  submissions: 'submission',
  groups: 'group',
  experiments: 'experiment',
  lanes: 'lane',
};

function misplacement(
  job: JobDoc,
  submission: SubmissionDoc,
): [found: string, basis: readonly string[], expected: string] | undefined {
  const id = jobIdOf(submission.id, job.index, submission.count);
  if (job.index >= submission.count || job.id !== id) {
    const expected = `an index below ${submission.count}, and the id that follows from it`;
    return [`index ${job.index}`, [], expected];
  }
  if (job.groupId !== submission.groupId) {
    return [`group ${job.groupId}`, [], `the group of its submission, ${submission.groupId}`];
  }
  return undefined;
}
