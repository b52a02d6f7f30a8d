import { SCHEMA_VERSION, type SubmissionDoc } from '../ports/documents.ts';
import { put, type Write } from '../ports/store.ts';
import { configText } from './accept.ts';
import { experimentOf, jobOf, pointsOf } from './chunk-documents.ts';
import type { CoreDeps } from './deps.ts';
import { stillCreatesJobs } from './ending.ts';
import { chunkIdOf } from './ids.ts';
import { commitAndPublish, type Outgoing } from './outbox.ts';
import { getOne, getSubmission } from './records.ts';
import { retryStale } from './retry-stale.ts';

/** Chunks of one submission that may be under way at once. */
const STRANDS = 16;
const FIRST_OF_STRANDS = Array.from({ length: STRANDS }, (_, at) => at + 1);

/** A chunk to expand. */
export interface ExpandMessage {
  readonly submissionId: string;
  readonly chunk: number;
}

/**
 * Creates the jobs of one chunk, the experiments not there yet and the chunk's record in one commit; a record that is
 * there means it was done. Chunk 0 hands on the first chunk of each strand, any other the next of its own: so one message
 * starts a sweep of any size, and what waits of it is never more than a message for each strand. Of two sweeps each then has its
 * turn. Afterwards looks again at what may have changed meanwhile: all chunks done, or a stop.
 */
export async function expandChunk(deps: CoreDeps, message: ExpandMessage): Promise<void> {
  const { submissionId } = message;
  await retryStale(async () => {
    const { value: submission } = await getSubmission(deps, submissionId);
    if (!stillCreatesJobs(submission) || message.chunk >= submission.chunks) return;
    const record = await getOne(deps, 'chunks', chunkIdOf(submissionId, message.chunk));
    if (record === undefined) await createChunk(deps, submission, message.chunk);
  });
  await finishExpansion(deps, submissionId);
}

/** Publishes again the chunks that are missing, a bounded number of them: for messages that were lost. */
export async function repairExpansion(deps: CoreDeps, submission: SubmissionDoc): Promise<void> {
  const outgoing: Outgoing[] = [];
  for (let from = 0; from < submission.chunks && outgoing.length < 100; from += 500) {
    const chunks = Array.from(
      { length: Math.min(500, submission.chunks - from) },
      (_, i) => from + i,
    );
    const records = await deps.store.get(
      chunks.map((chunk) => ({
        collection: 'chunks',
        id: chunkIdOf(submission.id, chunk),
      })),
    );
    for (const [at, record] of records.entries()) {
      const chunk = chunks[at];
      if (record === undefined && chunk !== undefined && outgoing.length < 100) {
        outgoing.push({ message: { kind: 'expand', submissionId: submission.id, chunk } });
      }
    }
  }
  if (outgoing.length > 0) await commitAndPublish(deps, [], outgoing);
  else await finishExpansion(deps, submission.id);
}

async function createChunk(
  deps: CoreDeps,
  submission: SubmissionDoc,
  chunk: number,
): Promise<void> {
  const config = await deps.configs.get(submission.id, () => configText(deps, submission.id));
  const points = pointsOf(submission, config, chunk);
  const experimentIds = [...new Set(points.map((point) => point.experimentId))];
  const known = await deps.store.get(
    experimentIds.map((id) => ({ collection: 'experiments', id })),
  );
  const missing = new Set(experimentIds.filter((_, at) => known[at] === undefined));
  const writes: Write[] = [
    put(
      { collection: 'chunks', id: chunkIdOf(submission.id, chunk) },
      { schemaVersion: SCHEMA_VERSION, submissionId: submission.id, index: chunk },
      'absent',
    ),
  ];
  for (const point of points) {
    if (missing.delete(point.experimentId)) {
      writes.push(
        put(
          { collection: 'experiments', id: point.experimentId },
          experimentOf(submission, point),
          'absent',
        ),
      );
    }
    const job = jobOf(deps.clock.now(), submission, point);
    writes.push(put({ collection: 'jobs', id: job.id }, job, 'absent'));
  }
  await commitAndPublish(deps, writes, followUps(submission, chunk));
  deps.log.debug({ submissionId: submission.id, chunk, jobs: points.length }, 'jobs created');
  deps.meters.count('caliban_jobs_created_total', { lane: submission.lane }, points.length);
}

function followUps(submission: SubmissionDoc, chunk: number): Outgoing[] {
  const next = chunk === 0 ? FIRST_OF_STRANDS : [chunk + STRANDS];
  return [
    ...next
      .filter((each) => each < submission.chunks)
      .map(
        (each): Outgoing => ({
          message: { kind: 'expand', submissionId: submission.id, chunk: each },
        }),
      ),
    { message: { kind: 'drain', lane: submission.lane } },
  ];
}

async function finishExpansion(deps: CoreDeps, submissionId: string): Promise<void> {
  await retryStale(async () => {
    const stored = await getSubmission(deps, submissionId);
    const submission = stored.value;
    // A stop that came while the chunk was written must see its jobs too.
    if (submission.ending !== 'none') {
      await commitAndPublish(deps, [], [{ message: { kind: 'stop', submissionId } }]);
    }
    if (submission.expanded) return;
    const done = await deps.store.count('chunksOfSubmission', { submissionId });
    if (done < submission.chunks) return;
    await deps.store.commit([
      put(stored.key, { ...submission, expanded: true }, { version: stored.version }),
    ]);
    deps.log.info({ submissionId, jobs: submission.count }, 'submission expanded');
  });
}
