import { type BuildDoc, SCHEMA_VERSION, type SubmissionDoc } from '../ports/documents.ts';
import type { BuildProgress, DependencyPlan, DependencyRequest } from '../ports/image-builder.ts';
import { put, type Stored } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { getOne } from './records.ts';
import { retryStale } from './retry-stale.ts';

/** Tries of a build for the submissions that wait for it; attempts are numbered on, in rounds of as many. */
const BUILD_ATTEMPTS = 3;

/** Where the dependencies of a submission stand. `plan` null: there are none, and no image is made of them. */
export type Dependencies =
  | { readonly kind: 'prepared'; readonly plan: DependencyPlan | null }
  | { readonly kind: 'wait' }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * Takes what is prepared already, or starts one build per key however many submissions wait for it, and says how it goes.
 * Throws what the builder's `plan` throws.
 */
export async function prepareDependencies(
  deps: CoreDeps,
  submission: SubmissionDoc,
): Promise<Dependencies> {
  const plan = await deps.builder.plan(requestOf(submission));
  if (plan === null) return { kind: 'prepared', plan };
  return retryStale(async () => {
    const build = await getOne(deps, 'builds', plan.key);
    return plan.ready
      ? isThere(deps, build, { submission, plan })
      : isNotThere(deps, build, { submission, plan });
  });
}

interface Asked {
  readonly submission: SubmissionDoc;
  readonly plan: DependencyPlan;
}

// The builder may know it before anybody has asked how its build goes.
async function isThere(
  deps: CoreDeps,
  build: Stored<'builds'> | undefined,
  { submission, plan }: Asked,
): Promise<Dependencies> {
  if (build?.value.state === 'building') {
    await finish(deps, build, { submission, progress: { state: 'ready' } });
  }
  return { kind: 'prepared', plan };
}

async function isNotThere(
  deps: CoreDeps,
  build: Stored<'builds'> | undefined,
  asked: Asked,
): Promise<Dependencies> {
  const { submission, plan } = asked;
  // It may have become ready since we asked; only if it is still not there it is gone.
  const again =
    build?.value.state === 'ready' ? await deps.builder.plan(requestOf(submission)) : null;
  if (again?.ready === true) return { kind: 'prepared', plan: again };
  if (
    build === undefined ||
    build.value.state === 'ready' ||
    failedBefore(build.value, submission)
  ) {
    const attempt = firstOfNextRound(build?.value.attempt ?? 0);
    return startBuild(deps, { key: plan.key, submission, before: build, attempt });
  }
  if (build.value.state === 'failed') return failedBuild(build.value);
  return followBuild(deps, build, asked);
}

/** What a builder is asked for. */
export function requestOf(from: Pick<SubmissionDoc, 'dependencies' | 'mode'>): DependencyRequest {
  return { ...from.dependencies, mode: from.mode };
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
): Promise<Dependencies> {
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
  await deps.builder.start({ key, attempt, dependencies: requestOf(submission) });
  deps.log.info({ build: key, attempt, submissionId: submission.id }, 'build started');
  return { kind: 'wait' };
}

async function followBuild(
  deps: CoreDeps,
  build: Stored<'builds'>,
  of: Asked,
): Promise<Dependencies> {
  const { id: key, attempt } = build.value;
  const progress = await deps.builder.poll(key, attempt);
  if (progress.state === 'building') return { kind: 'wait' };
  if (progress.state === 'absent' || isOlder(progress, of.submission)) {
    await deps.builder.start({ key, attempt, dependencies: requestOf(of.submission) });
    return { kind: 'wait' };
  }
  if (progress.state === 'failed' && progress.retryable && attempt % BUILD_ATTEMPTS !== 0) {
    const { submission } = of;
    return startBuild(deps, { key, submission, before: build, attempt: attempt + 1 });
  }
  const finished = await finish(deps, build, { submission: of.submission, progress });
  return finished.state === 'failed'
    ? failedBuild(finished)
    : { kind: 'prepared', plan: { ...of.plan, ready: true } };
}

async function finish(
  deps: CoreDeps,
  { key, value, version }: Stored<'builds'>,
  of: { readonly submission: SubmissionDoc; readonly progress: BuildProgress },
): Promise<BuildDoc> {
  const finished = finishedBuild(value, of.progress, deps.clock.now());
  await deps.store.commit([put(key, finished, { version })]);
  tellFinished(deps, finished, of.submission.id);
  return finished;
}

// Nobody looked when it failed: for who asks only now it is as if it had not been tried.
function isOlder(progress: BuildProgress, { acceptedAt }: SubmissionDoc): boolean {
  return progress.state === 'failed' && progress.failedAt < acceptedAt;
}

// Not its message: what a build prints may be anybody's secret. The submission has it.
function tellFinished(deps: CoreDeps, build: BuildDoc, submissionId: string): void {
  const { id, attempt, state, startedAt, finishedAt } = build;
  const ms = (finishedAt ?? startedAt) - startedAt;
  deps.log.info({ build: id, attempt, state, ms, submissionId }, 'build finished');
  deps.meters.observe('caliban_build_duration_seconds', { state }, ms / 1_000);
}

function finishedBuild(build: BuildDoc, progress: BuildProgress, now: number): BuildDoc {
  if (progress.state !== 'failed') return { ...build, state: 'ready', finishedAt: now };
  const { message, hint, retryable } = progress;
  return { ...build, state: 'failed', finishedAt: now, error: { message, hint, retryable } };
}

function failedBuild(build: BuildDoc): Dependencies {
  const { message, hint } = build.error ?? { message: 'The build failed.', hint: null };
  return { kind: 'failed', message: sentence(message, hint) };
}

/** A message and what to do about it, as one text. */
export function sentence(message: string, hint: string | null): string {
  return hint === null ? message : `${message} ${hint}`;
}
