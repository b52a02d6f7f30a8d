import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import type { RunTarget, SubmissionDoc } from '../ports/documents.ts';
import { isHostTrouble } from '../ports/host-trouble.ts';
import type { DependencyPlan } from '../ports/image-builder.ts';
import type { Registry } from '../ports/registry.ts';
import { put } from '../ports/store.ts';
import { prepareDependencies, sentence } from './dependency-build.ts';
import type { CoreDeps } from './deps.ts';
import { requestEnding } from './ending.ts';
import { commitAndPublish } from './outbox.ts';
import { getSubmission } from './records.ts';
import { retryStale } from './retry-stale.ts';
import { layersOf } from './submission-spec.ts';

/** What jobs run in, and the build it came from. */
interface Ready {
  readonly kind: 'ready';
  readonly run: RunTarget;
  readonly buildId: string | null;
}

/** Where the image step of a submission stands; `away`: what prepares it does not answer, in its words. */
type Outcome =
  | Ready
  | { readonly kind: 'wait' }
  | { readonly kind: 'away'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

/** So many times as long as between two looks at a build is waited for a builder or registry that does not answer. */
const AWAY_LOOKS = 5;

/**
 * Finds or makes what a submission runs in: waits for its layers, takes a dependency image that is known, or starts
 * one build per key however many submissions wait for it. Repeats itself (by message) while it waits, also for a builder or
 * registry that does not answer, however long that lasts. A failure ends the submission and names the cause.
 */
export async function prepareImage(deps: CoreDeps, submissionId: string): Promise<void> {
  const { value: submission } = await getSubmission(deps, submissionId);
  if (submission.imageState !== 'waiting' || submission.ending !== 'none') return;
  const outcome = await look(deps, submission);
  if (outcome.kind === 'ready') {
    await markReady(deps, submissionId, outcome);
  } else if (outcome.kind === 'failed') {
    await requestEnding(deps, submissionId, {
      state: 'FAILED',
      cause: { code: 'image-failed', message: outcome.message },
    });
  } else {
    await lookAgain(deps, submissionId, outcome);
  }
}

async function lookAgain(
  deps: CoreDeps,
  submissionId: string,
  outcome: Extract<Outcome, { kind: 'wait' | 'away' }>,
): Promise<void> {
  const imageWait = outcome.kind === 'away' ? outcome.message : null;
  const looks = outcome.kind === 'away' ? AWAY_LOOKS : 1;
  await retryStale(async () => {
    const { key, version, value } = await getSubmission(deps, submissionId);
    const isNew = (value.imageWait ?? null) !== imageWait;
    const writes = isNew ? [put(key, { ...value, imageWait }, { version })] : [];
    const notBefore = deps.clock.now() + looks * deps.timing.buildPollMs;
    const message = { kind: 'image', submissionId } as const;
    await commitAndPublish(deps, writes, [{ message, notBefore }]);
    if (isNew && imageWait !== null) {
      deps.log.warn({ submissionId, error: imageWait }, 'image waits');
    }
  });
}

async function look(deps: CoreDeps, submission: SubmissionDoc): Promise<Outcome> {
  try {
    if (submission.image !== null) return await lookAtGiven(deps, submission.image);
    const unready = await lookAtLayers(deps, submission);
    if (unready !== undefined) return unready;
    const dependencies = await prepareDependencies(deps, submission);
    return dependencies.kind === 'prepared'
      ? await readyWith(deps, submission, dependencies.plan)
      : dependencies;
  } catch (error) {
    // What builder and registry say of these inputs is final; anything else is tried again with the message.
    if (!isAppError(error) || isHostTrouble(error)) throw error;
    const message = sentence(error.message, error.hint ?? null);
    return { kind: error.code === 'UNAVAILABLE' ? 'away' : 'failed', message };
  }
}

async function lookAtGiven(deps: CoreDeps, reference: string): Promise<Outcome> {
  const found = await registryOf(deps).resolve(reference);
  switch (found.state) {
    case 'found':
      return { kind: 'ready', run: { kind: 'image', digest: found.digest }, buildId: null };
    case 'pending':
      return { kind: 'wait' };
    case 'absent':
      return { kind: 'failed', message: sentence(found.message, found.hint) };
  }
}

/** What jobs run in, once the dependencies are there: the run image on top of their image, or a workspace. */
async function readyWith(
  deps: CoreDeps,
  submission: SubmissionDoc,
  prepared: DependencyPlan | null,
): Promise<Outcome> {
  const { codeLayers, command } = submission;
  const buildId = prepared?.key ?? null;
  if (prepared === null || prepared.image === null) {
    return {
      kind: 'ready',
      run: { kind: 'workspace', venvKey: buildId, layers: codeLayers },
      buildId,
    };
  }
  const image = { base: prepared.image, layers: codeLayers, entrypoint: command };
  const { digest } = await registryOf(deps).append(image);
  return { kind: 'ready', run: { kind: 'image', digest }, buildId };
}

function registryOf({ registry }: CoreDeps): Registry {
  if (registry !== null) return registry;
  throw new AppError('PLATFORM_UNSUPPORTED', 'This service runs jobs without images.', {
    hint: 'Leave out --image_tag, or use a service whose platform runs containers.',
  });
}

async function lookAtLayers(
  deps: CoreDeps,
  submission: SubmissionDoc,
): Promise<Outcome | undefined> {
  const diffIds = layersOf(submission);
  if (diffIds.length === 0) return undefined;
  const states = await deps.layers.check(diffIds);
  for (const [at, found] of states.entries()) {
    if (found.state === 'failed')
      return { kind: 'failed', message: `Layer ${diffIds[at]} was refused: ${found.reason}` };
    if (found.state === 'missing')
      return {
        kind: 'failed',
        message: `Layer ${diffIds[at]} is gone from the store; submit again.`,
      };
  }
  return states.every((found) => found.state === 'verified') ? undefined : { kind: 'wait' };
}

async function markReady(
  deps: CoreDeps,
  submissionId: string,
  { run, buildId }: Ready,
): Promise<void> {
  await retryStale(async () => {
    const stored = await getSubmission(deps, submissionId);
    const submission = stored.value;
    if (submission.imageState !== 'waiting' || submission.ending !== 'none') return;
    const ready: SubmissionDoc = {
      ...submission,
      imageState: 'ready',
      imageWait: null,
      run,
      buildId,
      openLane: submission.lane,
    };
    await commitAndPublish(
      deps,
      [put(stored.key, ready, { version: stored.version })],
      [{ message: { kind: 'drain', lane: submission.lane } }],
    );
    deps.log.info({ submissionId, build: buildId, run: run.kind }, 'image ready');
  });
}
