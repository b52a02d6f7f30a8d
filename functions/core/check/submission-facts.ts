import type { SubmissionDoc } from '../../ports/documents.ts';
import type { LayerState } from '../../ports/layer-store.ts';
import type { Message } from '../../ports/message.ts';
import { type Key, STORE_LIMIT, type Stored } from '../../ports/store.ts';
import type { CoreDeps } from '../deps.ts';
import { chunkIdOf } from '../ids.ts';
import { getOne } from '../records.ts';
import { layersOf } from '../submission-spec.ts';
import { bothFrom, type ReadDocuments, readDocuments } from './documents-from.ts';
import { changedSince } from './kept-counts.ts';

/** What a submission is judged by. */
export interface SubmissionFacts {
  readonly submission: Stored<'submissions'>;
  /** Its group, lane and config. */
  readonly around: ReadDocuments;
  readonly chunkRecords: number;
  readonly hasLastChunk: boolean;
  readonly jobs: {
    readonly live: number;
    readonly ended: number;
    readonly queued: number;
    readonly submitting: number;
    /** No job of its group changed while they were counted: only then the numbers go together. */
    readonly isQuiet: boolean;
  };
  /** Messages that wait for it, and drains of its lane; null where the queue keeps them and nobody can look. */
  readonly messages: ReadonlySet<Message['kind']> | null;
  readonly layers: readonly (readonly [diffId: string, state: LayerState])[];
  /** What the builder says of dependencies that waiting jobs need; null where none are needed. */
  readonly build: 'ready' | 'gone' | null;
}

/** Reads what some submissions are judged by; those that are gone are left out. */
export async function readFacts(
  deps: CoreDeps,
  keys: readonly Key<'submissions'>[],
): Promise<SubmissionFacts[]> {
  const found = (await deps.store.get(keys)).filter((each) => each !== undefined);
  const messages = await messagesFor(
    deps,
    found.map(({ value }) => value),
  );
  const layers = await layerStates(
    deps,
    found.flatMap(({ value }) => layersOf(value)),
  );
  const facts: SubmissionFacts[] = [];
  for (const submission of found) {
    const { value } = submission;
    const jobs = await countJobs(deps, value);
    facts.push({
      submission,
      around: await readDocuments(deps, [
        { collection: 'groups', id: value.groupId },
        { collection: 'lanes', id: value.lane },
        { collection: 'configs', id: configIdOf(value) },
      ]),
      chunkRecords: await deps.store.count('chunksOfSubmission', { submissionId: value.id }),
      hasLastChunk:
        (await getOne(deps, 'chunks', chunkIdOf(value.id, value.chunks - 1))) !== undefined,
      jobs,
      messages: messages?.get(value.id) ?? (messages === null ? null : new Set()),
      layers: layersOf(value).map((diffId) => [diffId, layers.get(diffId) ?? { state: 'missing' }]),
      build: await buildOf(deps, value, jobs.queued + jobs.submitting),
    });
  }
  return facts;
}

/** The first part of a submission's config. */
export function configIdOf({ id }: Pick<SubmissionDoc, 'id'>): string {
  return `${id}-0`;
}

async function countJobs(
  deps: CoreDeps,
  { id: submissionId, groupId }: SubmissionDoc,
): Promise<SubmissionFacts['jobs']> {
  const startedAt = deps.clock.now();
  const ofState = (state: string) =>
    deps.store.count('jobsOfSubmissionByState', { submissionId, state });
  const ofLife = (live: boolean) =>
    deps.store.count('liveJobsOfSubmission', { submissionId, live });
  return {
    live: await ofLife(true),
    ended: await ofLife(false),
    queued: await ofState('QUEUED'),
    submitting: await ofState('SUBMITTING'),
    isQuiet: !(await changedSince(deps, groupId, startedAt)),
  };
}

// Kinds of messages by submission: of its own, and of its lane.
async function messagesFor(
  deps: CoreDeps,
  submissions: readonly SubmissionDoc[],
): Promise<ReadonlyMap<string, ReadonlySet<Message['kind']>> | null> {
  if (deps.queue.keepsMessages) return null;
  const found = new Map(submissions.map(({ id }) => [id, new Set<Message['kind']>()]));
  if (submissions.every(isOver)) return found;
  const params = (parked: boolean) => ({ parked });
  for await (const { stored } of bothFrom(deps, 'parkedMessages', { params, after: null })) {
    const { message } = stored.value;
    if (message.kind === 'verify') continue;
    const isAbout = ({ id, lane }: SubmissionDoc) =>
      message.kind === 'drain' ? message.lane === lane : message.submissionId === id;
    for (const { id } of submissions.filter(isAbout)) found.get(id)?.add(message.kind);
  }
  return found;
}

/** Whether nothing has to carry a submission on. */
function isOver({ expanded, openLane, ending, imageState }: SubmissionDoc): boolean {
  const isSettled = ending === 'done' || (ending === 'none' && imageState === 'ready');
  return isSettled && expanded && openLane === null;
}

async function layerStates(
  deps: CoreDeps,
  named: readonly string[],
): Promise<ReadonlyMap<string, LayerState>> {
  const diffIds = [...new Set(named)];
  const states = new Map<string, LayerState>();
  for (let from = 0; from < diffIds.length; from += STORE_LIMIT) {
    const some = diffIds.slice(from, from + STORE_LIMIT);
    for (const [at, state] of (await deps.layers.check(some)).entries()) {
      const diffId = some[at];
      if (diffId !== undefined) states.set(diffId, state);
    }
  }
  return states;
}

async function buildOf(
  deps: CoreDeps,
  { buildId, run }: SubmissionDoc,
  waiting: number,
): Promise<SubmissionFacts['build']> {
  if (buildId === null || run?.kind !== 'workspace' || waiting === 0) return null;
  const build = await getOne(deps, 'builds', buildId);
  const { state } = await deps.builder.poll(buildId, build?.value.attempt ?? 0);
  return state === 'ready' ? 'ready' : 'gone';
}
