import { isAppError } from '../../shared/errors/app-error.ts';
import {
  type BuildDoc,
  type RunTarget,
  SCHEMA_VERSION,
  type SubmissionDoc,
} from '../ports/documents.ts';
import type { BuildProgress } from '../ports/image-builder.ts';
import { put, type Stored } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { requestEnding } from './ending.ts';
import { commitAndPublish } from './outbox.ts';
import { getOne, getSubmission } from './records.ts';
import { retryStale } from './retry-stale.ts';
import { layersOf } from './submission-spec.ts';

/** Tries of a build for the submissions that wait for it; attempts are numbered on, in rounds of as many. */
const BUILD_ATTEMPTS = 3;

/** Where the image step of a submission stands. */
type Outcome =
  | { readonly kind: 'ready'; readonly venvKey: string | null }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * Finds or makes what a submission runs in: waits for its layers, takes a dependency image that is known, or starts
 * one build per key however many submissions wait for it. Repeats itself (by message) while it waits. A failure
 * ends the submission and names the cause.
 */
export async function prepareImage(deps: CoreDeps, submissionId: string): Promise<void> {
  const { value: submission } = await getSubmission(deps, submissionId);
  if (submission.imageState !== 'waiting' || submission.ending !== 'none') return;
  const outcome = await look(deps, submission);
  if (outcome.kind === 'ready') {
    await markReady(deps, submissionId, outcome.venvKey);
  } else if (outcome.kind === 'failed') {
    await requestEnding(deps, submissionId, {
      state: 'FAILED',
      cause: { code: 'image-failed', message: outcome.message },
    });
  } else {
    const notBefore = deps.clock.now() + deps.timing.buildPollMs;
    await commitAndPublish(deps, [], [{ message: { kind: 'image', submissionId }, notBefore }]);
  }
}

async function look(deps: CoreDeps, submission: SubmissionDoc): Promise<Outcome> {
  try {
    return (await lookAtLayers(deps, submission)) ?? (await lookAtDependencies(deps, submission));
  } catch (error) {
    // What the builder says of these dependencies is final; anything else is tried again with the message.
    if (!isAppError(error) || error.code === 'UNAVAILABLE' || error.code === 'STORE_BUSY')
      throw error;
    return { kind: 'failed', message: sentence(error.message, error.hint ?? null) };
  }
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

async function lookAtDependencies(deps: CoreDeps, submission: SubmissionDoc): Promise<Outcome> {
  const plan = await deps.builder.plan(submission.dependencies);
  if (plan === null) return { kind: 'ready', venvKey: null };
  if (plan.ready) return { kind: 'ready', venvKey: plan.key };
  return retryStale(async () => {
    const build = await getOne(deps, 'builds', plan.key);
    // It may have become ready since we asked; only if it is still not there it is gone.
    if (build?.value.state === 'ready' && (await isReady(deps, submission)))
      return { kind: 'ready', venvKey: plan.key };
    if (
      build === undefined ||
      build.value.state === 'ready' ||
      failedBefore(build.value, submission)
    ) {
      const attempt = firstOfNextRound(build?.value.attempt ?? 0);
      return startBuild(deps, { key: plan.key, submission, before: build, attempt });
    }
    if (build.value.state === 'failed') return failedOutcome(build.value);
    return followBuild(deps, build, submission);
  });
}

async function isReady(deps: CoreDeps, submission: SubmissionDoc): Promise<boolean> {
  return (await deps.builder.plan(submission.dependencies))?.ready === true;
}

function firstOfNextRound(attempt: number): number {
  return Math.ceil(attempt / BUILD_ATTEMPTS) * BUILD_ATTEMPTS + 1;
}

// A build that failed for an earlier submission says nothing about now: packages appear, networks come back.
function failedBefore(build: BuildDoc, submission: SubmissionDoc): boolean {
  return build.state === 'failed' && (build.finishedAt ?? 0) < submission.acceptedAt;
}

async function startBuild(
  deps: CoreDeps,
  start: {
    readonly key: string;
    readonly submission: SubmissionDoc;
    readonly before: Stored<'builds'> | undefined;
    readonly attempt: number;
  },
): Promise<Outcome> {
  const { key, submission, before, attempt } = start;
  const build: BuildDoc = {
    schemaVersion: SCHEMA_VERSION,
    id: key,
    state: 'building',
    attempt,
    dependencies: submission.dependencies,
    startedAt: deps.clock.now(),
    finishedAt: null,
    error: null,
  };
  await deps.store.commit([
    put(
      { collection: 'builds', id: key },
      build,
      before === undefined ? 'absent' : { version: before.version },
    ),
  ]);
  await deps.builder.start({ key, attempt, dependencies: submission.dependencies });
  deps.log.info({ build: key, attempt, submissionId: submission.id }, 'build started');
  return { kind: 'wait' };
}

async function followBuild(
  deps: CoreDeps,
  build: Stored<'builds'>,
  submission: SubmissionDoc,
): Promise<Outcome> {
  const { id: key, attempt, dependencies } = build.value;
  const progress = await deps.builder.poll(key, attempt);
  if (progress.state === 'building') return { kind: 'wait' };
  if (progress.state === 'absent') {
    await deps.builder.start({ key, attempt, dependencies });
    return { kind: 'wait' };
  }
  if (progress.state === 'failed' && progress.retryable && attempt % BUILD_ATTEMPTS !== 0) {
    return startBuild(deps, { key, submission, before: build, attempt: attempt + 1 });
  }
  const finished = finishedBuild(build.value, progress, deps.clock.now());
  await deps.store.commit([put(build.key, finished, { version: build.version })]);
  tellFinished(deps, finished, submission.id);
  return finished.state === 'failed' ? failedOutcome(finished) : { kind: 'ready', venvKey: key };
}

function finishedBuild(build: BuildDoc, progress: BuildProgress, now: number): BuildDoc {
  if (progress.state !== 'failed') return { ...build, state: 'ready', finishedAt: now };
  const { message, hint, retryable } = progress;
  return { ...build, state: 'failed', finishedAt: now, error: { message, hint, retryable } };
}

// Not its message: what a build prints may be anybody's secret. The submission has it.
function tellFinished(deps: CoreDeps, build: BuildDoc, submissionId: string): void {
  const { id, attempt, state, startedAt, finishedAt } = build;
  const ms = (finishedAt ?? startedAt) - startedAt;
  deps.log.info({ build: id, attempt, state, ms, submissionId }, 'build finished');
  deps.meters.observe('caliban_build_duration_seconds', { state }, ms / 1_000);
}

function failedOutcome(build: BuildDoc): Outcome {
  const { message, hint } = build.error ?? { message: 'The build failed.', hint: null };
  return { kind: 'failed', message: sentence(message, hint) };
}

function sentence(message: string, hint: string | null): string {
  return hint === null ? message : `${message} ${hint}`;
}

async function markReady(
  deps: CoreDeps,
  submissionId: string,
  venvKey: string | null,
): Promise<void> {
  await retryStale(async () => {
    const stored = await getSubmission(deps, submissionId);
    const submission = stored.value;
    if (submission.imageState !== 'waiting' || submission.ending !== 'none') return;
    const run: RunTarget = { kind: 'workspace', venvKey, layers: submission.codeLayers };
    const ready: SubmissionDoc = {
      ...submission,
      imageState: 'ready',
      run,
      buildId: venvKey,
      openLane: submission.lane,
    };
    await commitAndPublish(
      deps,
      [put(stored.key, ready, { version: stored.version })],
      [{ message: { kind: 'drain', lane: submission.lane } }],
    );
    deps.log.info({ submissionId, build: venvKey, layers: run.layers.length }, 'image ready');
  });
}
