import pLimit from 'p-limit';
import { troubleOf } from '../../../ports/host-trouble.ts';
import type {
  BuildProgress,
  DependencyRequest,
  ImageBuilder,
} from '../../../ports/image-builder.ts';
import type { Log } from '../../../ports/runtime.ts';
import { type BuildFailure, thrownFailure } from './build-failure.ts';
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
  /** Builds at the same time; more wait. Default: no limit. */
  readonly concurrency?: number;
  /** Of one build, without the wait before it. Default one hour. */
  readonly timeoutMs?: number;
  /** Whether what a key stands for is there: the only proof of success. */
  isReady(key: string): Promise<boolean>;
  /** Makes it; null is success. */
  build(task: BuildTask): Promise<BuildFailure | null>;
  /** Removes what a failed build left. */
  discard(key: string): Promise<void>;
}

/** Everything of an ImageBuilder that is the same whatever is built. */
export type BuildTable = Omit<ImageBuilder, 'plan'> & {
  /** Ends running builds. */
  close(): Promise<void>;
};

interface Build {
  readonly attempt: number;
  readonly cancel: AbortController;
  progress: BuildProgress;
  done: Promise<void>;
}

/** Builds of this process by key: one at a time for each, the newest attempt counts. They are forgotten with the process. */
export function createBuildTable(options: BuildTableOptions): BuildTable {
  const builds = new Map<string, Build>();
  const limit = pLimit(options.concurrency ?? Number.POSITIVE_INFINITY);
  const { isReady, log } = options;

  async function run(build: Build, task: Omit<BuildTask, 'signal'>): Promise<void> {
    const deadline = AbortSignal.timeout(options.timeoutMs ?? 3_600_000);
    const signal = AbortSignal.any([build.cancel.signal, deadline]);
    try {
      signal.throwIfAborted();
      const failure = await options.build({ ...task, signal });
      build.progress = failure === null ? { state: 'ready' } : { state: 'failed', ...failure };
    } catch (error) {
      build.progress = afterThrow(task.key, error, build.cancel.signal.aborted);
    }
    if (build.progress.state !== 'ready') await options.discard(task.key);
  }

  // Where the machine lacked something nothing was tried: who asks begins it again, and it counts as no failure.
  function afterThrow(key: string, error: unknown, isCancelled: boolean): BuildProgress {
    if (isCancelled || troubleOf(error) !== 'scarce') {
      return { state: 'failed', ...thrownFailure(error, isCancelled) };
    }
    log.warn({ err: error, key }, 'the machine has nothing to spare; the build waits');
    return { state: 'absent' };
  }

  // A build that waits for its turn must end at once when it is cancelled: it runs, to its first line, without one.
  async function inTurn(build: Build, work: () => Promise<void>): Promise<void> {
    const { promise: isCancelled, resolve } = Promise.withResolvers<'cancelled'>();
    build.cancel.signal.addEventListener('abort', () => resolve('cancelled'), { once: true });
    const { promise: hasBegun, resolve: begin } = Promise.withResolvers<'begun'>();
    const turn = limit(async () => {
      begin('begun');
      if (build.progress.state === 'building') await work();
    });
    if ((await Promise.race([hasBegun, isCancelled])) === 'begun') await turn;
    else await work();
  }

  async function endBuild(build: Build): Promise<void> {
    build.cancel.abort();
    await build.done;
  }

  return {
    start: async ({ key, attempt, dependencies }) => {
      const ready = await isReady(key);
      const earlier = builds.get(key);
      const isKnown = earlier !== undefined && earlier.progress.state !== 'absent';
      if (ready || (isKnown && earlier.attempt >= attempt)) return;
      const build: Build = {
        attempt,
        cancel: new AbortController(),
        progress: { state: 'building' },
        done: Promise.resolve(),
      };
      builds.set(key, build);
      const before = earlier === undefined ? Promise.resolve() : endBuild(earlier);
      build.done = before
        .then(() => inTurn(build, () => run(build, { key, dependencies })))
        .catch((error: unknown) => log.error({ err: error, key }, 'a build left files'));
    },
    poll: async (key, attempt) => {
      const build = builds.get(key);
      if (build?.attempt === attempt && build.progress.state !== 'ready') return build.progress;
      return (await isReady(key)) ? { state: 'ready' } : { state: 'absent' };
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
      for (const build of builds.values()) await endBuild(build);
    },
  };
}
