import pLimit, { type LimitFunction } from 'p-limit';
import { isAppError } from '../../../../shared/errors/app-error.ts';
import { troubleOf } from '../../../ports/host-trouble.ts';
import type {
  BuildProgress,
  DependencyRequest,
  ImageBuilder,
} from '../../../ports/image-builder.ts';
import type { Clock, Log } from '../../../ports/runtime.ts';
import { type BuildFailure, thrownFailure } from '../../images/build-failure.ts';
import { buildLogPath, readBuildLog } from './build-log.ts';

/** One build to do. */
export interface BuildTask {
  readonly key: string;
  readonly dependencies: DependencyRequest;
  /** Aborted when the build is cancelled or took too long. */
  readonly signal: AbortSignal;
}

/** What a table of builds needs. */
export interface BuildTableOptions {
  /** Where logs are, each named by its key. */
  readonly dir: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Builds at the same time; more wait. Default: no limit. */
  readonly concurrency?: number;
  /** Of one build, without the wait before it. Default one hour. */
  readonly timeoutMs?: number;
  /** Whether what a key stands for is there: the only proof of success. */
  isReady(key: string): Promise<boolean>;
  /** Makes it; null is success. AppError UNAVAILABLE: nothing is known of it, as if it had never begun. */
  build(task: BuildTask): Promise<BuildFailure | null>;
  /** Removes what a build left that made nothing. */
  discard(key: string): Promise<void>;
}

/** Everything of an ImageBuilder that is the same whatever is built. */
export type BuildTable = Omit<ImageBuilder, 'plan'> & {
  /** Ends running builds. */
  close(): Promise<void>;
};

interface Build {
  readonly key: string;
  readonly attempt: number;
  readonly cancel: AbortController;
  /** Ends the looks after it. */
  readonly forgotten: AbortController;
  progress: BuildProgress;
  /** It counts for nothing: to be begun anew if somebody still wants it. */
  isLost: boolean;
  /** Looks since somebody asked for it. */
  quiet: number;
  done: Promise<void>;
}

// Whoever waits for a build asks every few seconds. Looks are counted, not time: a machine may have been asleep.
const LOOK_MS = 60_000;
const QUIET_LOOKS = 3;

interface Table {
  readonly options: BuildTableOptions;
  readonly builds: Map<string, Build>;
  readonly limit: LimitFunction;
}

/**
 * Builds of this process by key: one at a time for each, the newest attempt counts. Forgotten with the process, when they have made
 * what they are for, and when nobody has asked for three minutes, which also ends a build that runs.
 */
export function createBuildTable(options: BuildTableOptions): BuildTable {
  const { isReady } = options;
  const builds = new Map<string, Build>();
  const limit = pLimit(options.concurrency ?? Number.POSITIVE_INFINITY);
  const table: Table = { options, builds, limit };
  return {
    start: async ({ key, attempt, dependencies }) => {
      const ready = await isReady(key);
      const earlier = builds.get(key);
      const isUnderWay = earlier?.attempt === attempt && earlier.progress.state === 'building';
      const isOld = earlier !== undefined && earlier.attempt > attempt;
      if (!ready && !isUnderWay && !isOld) begin(table, { key, attempt, dependencies });
    },
    poll: async (key, attempt) => {
      const build = builds.get(key);
      if (build?.attempt !== attempt) return { state: (await isReady(key)) ? 'ready' : 'absent' };
      build.quiet = 0;
      return build.progress;
    },
    cancel: async (key, attempt) => {
      const build = builds.get(key);
      if (build?.attempt === attempt) await endBuild(build);
    },
    readLog: (key, offset) => {
      const complete = builds.get(key)?.progress.state !== 'building';
      return readBuildLog(buildLogPath(options.dir, key), offset, complete);
    },
    close: async () => {
      const left = [...builds.values()];
      // All before the first is waited for: its place must not go to another.
      for (const build of left) {
        build.forgotten.abort();
        build.cancel.abort();
      }
      for (const build of left) await build.done;
    },
  };
}

function begin(
  table: Table,
  { key, attempt, dependencies }: Parameters<ImageBuilder['start']>[0],
): void {
  const { builds, options } = table;
  const earlier = builds.get(key);
  earlier?.forgotten.abort();
  const build: Build = {
    ...{ key, attempt, cancel: new AbortController(), forgotten: new AbortController() },
    ...{ progress: { state: 'building' }, isLost: false, quiet: 0, done: Promise.resolve() },
  };
  builds.set(key, build);
  const tell = (error: unknown) => options.log.error({ err: error, key }, 'a build left files');
  const before = earlier === undefined ? Promise.resolve() : endBuild(earlier);
  build.done = before
    .then(() => inTurn(table, build, () => run(table, build, dependencies)))
    .catch(tell);
  forgetWhenQuiet(table, build).catch(tell);
}

// A build that waits for its turn must end at once when it is cancelled: it runs, to its first line, without one.
async function inTurn(
  { limit }: Table,
  { cancel: { signal } }: Build,
  work: () => Promise<void>,
): Promise<void> {
  const { promise: isCancelled, resolve } = Promise.withResolvers<'cancelled'>();
  signal.addEventListener('abort', () => resolve('cancelled'), { once: true });
  if (signal.aborted) resolve('cancelled');
  const { promise: hasBegun, resolve: begin } = Promise.withResolvers<'begun'>();
  const turn = limit(async () => {
    begin('begun');
    if (!signal.aborted) await work();
  });
  if ((await Promise.race([isCancelled, hasBegun])) === 'begun') await turn;
  else await work();
}

async function run(table: Table, build: Build, dependencies: DependencyRequest): Promise<void> {
  const { key, cancel } = build;
  const { options } = table;
  const deadline = AbortSignal.timeout(options.timeoutMs ?? 3_600_000);
  const signal = AbortSignal.any([cancel.signal, deadline]);
  const fail = (failure: BuildFailure) => {
    build.progress = { state: 'failed', failedAt: options.clock.now(), ...failure };
  };
  try {
    signal.throwIfAborted();
    const failure = await options.build({ key, dependencies, signal });
    if (failure === null) return forget(table, build);
    fail(failure);
  } catch (error) {
    const isScarce = !cancel.signal.aborted && troubleOf(error) === 'scarce';
    // Nothing was tried: who asks begins it again, and it counts as no failure.
    build.isLost ||= isScarce || isAppError(error, 'UNAVAILABLE');
    if (isScarce) {
      options.log.warn({ err: error, key }, 'the machine has nothing to spare; the build waits');
    }
    if (!build.isLost) fail(thrownFailure(error, cancel.signal.aborted));
  }
  await options.discard(key).finally(() => {
    if (build.isLost) forget(table, build);
  });
}

async function endBuild(build: Build): Promise<void> {
  build.cancel.abort();
  await build.done;
}

async function forgetWhenQuiet(table: Table, build: Build): Promise<void> {
  const { clock, log } = table.options;
  const { signal } = build.forgotten;
  while (build.quiet < QUIET_LOOKS) {
    await clock.sleep(LOOK_MS, signal).catch(() => undefined); // it ends early only when it is forgotten
    if (signal.aborted) return;
    build.quiet += 1;
  }
  if (build.progress.state === 'building') {
    build.isLost = true;
    log.info({ build: build.key, attempt: build.attempt }, 'nobody waits for a build; cancelled');
  }
  await endBuild(build);
  forget(table, build);
}

function forget({ builds }: Table, build: Build): void {
  build.forgotten.abort();
  if (builds.get(build.key) === build) builds.delete(build.key);
}
