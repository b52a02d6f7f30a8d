import type { SubmissionDoc } from '../../ports/documents.ts';
import type { Key, Stored } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { chunkIdOf, jobIdOf } from '../ids.ts';
import { getOne } from '../records.ts';
import { type AcceptedConfig, acceptedConfig } from './accepted-config.ts';
import type { CheckStage } from './check-stage.ts';
import { chunkContentFaults, expectedPairs } from './chunk-contents.ts';
import { type Difference, LOST, versionOf } from './difference.ts';
import { documentsFrom, type ReadDocuments, readDocuments } from './documents-from.ts';
import { submissionsFrom } from './submissions-from.ts';

type StoreDeps = Pick<CoreDeps, 'store'>;

/** Ids of missing jobs that one difference names. */
const NAMED = 5;

/** Every chunk record: it is one of its submission's, and its jobs and experiments are there as the config says. */
export function chunksStage(deps: StoreDeps): CheckStage {
  return {
    name: 'chunks',
    async *units(after) {
      for await (const { submission, place, from } of submissionsFrom(deps, after)) {
        const { value } = submission;
        const inside = from === 0 ? null : [from - 1, chunkIdOf(value.id, from - 1)];
        const part = { params: { submissionId: value.id }, after: inside };
        // Read and parsed once for all chunks that are looked at together; for a second look again.
        let kept: ReturnType<typeof acceptedConfig> | undefined;
        const keep = () => {
          kept ??= acceptedConfig(deps, value);
          return kept;
        };
        for await (const { stored } of documentsFrom(deps, 'chunksOfSubmission', part)) {
          const chunk = { submission, index: stored.value.index };
          yield {
            place: [...place, chunk.index],
            looked: { chunks: 1 },
            differences: await lookAtChunk(deps, chunk, keep),
            again: () => lookAtChunk(deps, chunk, () => acceptedConfig(deps, value)),
          };
        }
      }
    },
  };
}

interface Chunk {
  readonly submission: Stored<'submissions'>;
  readonly index: number;
}

async function lookAtChunk(
  deps: StoreDeps,
  { submission, index }: Chunk,
  configOf: () => Promise<AcceptedConfig>,
): Promise<readonly Difference[]> {
  const { id, count, chunks, chunkSize } = submission.value;
  const record = await getOne(deps, 'chunks', chunkIdOf(id, index));
  if (record === undefined) return [];
  if (index >= chunks) {
    const told = ['a record of it', `an index below ${chunks}`] as const;
    return [difference(submission.value, record, told)];
  }
  const first = index * chunkSize;
  const jobIds = Array.from({ length: Math.min(chunkSize, count - first) }, (_, at) =>
    jobIdOf(id, first + at, count),
  );
  const accepted = await configOf();
  // What is wrong with a config is told of its submission.
  const pairs = 'config' in accepted ? expectedPairs(submission.value, accepted.config, index) : [];
  const there = await readDocuments(deps, [
    ...jobIds.map((jobId): Key => ({ collection: 'jobs', id: jobId })),
    ...pairs.map(({ experiment }): Key => ({ collection: 'experiments', id: experiment.id })),
  ]);
  return [
    ...missingJobs({ submission: submission.value, record }, jobIds, there),
    ...chunkContentFaults(submission, pairs, there),
  ];
}

function missingJobs(
  { submission, record }: { readonly submission: SubmissionDoc; readonly record: Stored<'chunks'> },
  jobIds: readonly string[],
  there: ReadDocuments,
): Difference[] {
  const missing = jobIds.filter((jobId) => there.get('jobs', jobId) === undefined);
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
