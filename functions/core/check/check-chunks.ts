import type { SubmissionDoc } from '../../ports/documents.ts';
import type { Stored } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { chunkIdOf, jobIdOf } from '../ids.ts';
import { getOne } from '../records.ts';
import { type CheckStage, unitOf } from './check-stage.ts';
import { type Difference, LOST, versionOf } from './difference.ts';
import { documentsFrom, readDocuments } from './documents-from.ts';
import { submissionsFrom } from './submissions-from.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

/** Ids of missing jobs that one difference names. */
const NAMED = 5;

/** Every chunk record: it is one of its submission's, and its jobs exist. */
export function chunksStage(deps: StoreDeps): CheckStage {
  return {
    name: 'chunks',
    async *units(after) {
      for await (const { submission, place, from } of submissionsFrom(deps, after)) {
        const { value } = submission;
        const inside = from === 0 ? null : [from - 1, chunkIdOf(value.id, from - 1)];
        const part = { params: { submissionId: value.id }, after: inside };
        for await (const { stored } of documentsFrom(deps, 'chunksOfSubmission', part)) {
          const { index } = stored.value;
          const look = () => lookAtChunk(deps, value, index);
          yield await unitOf([...place, index], { chunks: 1 }, look);
        }
      }
    },
  };
}

async function lookAtChunk(
  deps: StoreDeps,
  submission: SubmissionDoc,
  index: number,
): Promise<readonly Difference[]> {
  const { id, count, chunks, chunkSize } = submission;
  const record = await getOne(deps, 'chunks', chunkIdOf(id, index));
  if (record === undefined) return [];
  if (index >= chunks) {
    return [difference(submission, record, ['a record of it', `an index below ${chunks}`])];
  }
  const first = index * chunkSize;
  const jobIds = Array.from({ length: Math.min(chunkSize, count - first) }, (_, at) =>
    jobIdOf(id, first + at, count),
  );
  const jobs = await readDocuments(
    deps,
    jobIds.map((jobId) => ({ collection: 'jobs', id: jobId })),
  );
  const missing = jobIds.filter((jobId) => jobs.get('jobs', jobId) === undefined);
  if (missing.length === 0) return [];
  const named = missing.slice(0, NAMED).join(', ');
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : '';
  const found = `${missing.length} of its jobs do not exist: ${named}${more}`;
  return [difference(submission, record, [found, `${jobIds.length} jobs`])];
}

function difference(
  { id, groupId }: SubmissionDoc,
  record: Stored<'chunks'>,
  [found, expected]: readonly [string, string],
): Difference {
  return {
    kind: 'expansion',
    subject: `chunk ${record.value.index} of submission ${id}`,
    ids: { submissionId: id, groupId, chunkId: record.key.id },
    found,
    expected,
    fix: LOST,
    basis: [versionOf(record)],
  };
}
