import { createHash } from 'node:crypto';
import type { BuildProgress, DependencyRequest, ImageBuilder } from '../../ports/image-builder.ts';
import type { Clock } from '../../ports/runtime.ts';

/** How the pretended builder behaves. Nothing happens between polls. */
export interface MemoryImageBuilderOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** How many polls of a build answer `building`. */
  readonly polls: number;
  /** How an attempt fails, or null when it succeeds. Default: all succeed. */
  readonly failure?: (
    dependencies: DependencyRequest,
    attempt: number,
  ) => {
    readonly message: string;
    readonly hint: string | null;
    readonly retryable: boolean;
  } | null;
}

interface MemoryBuild {
  readonly attempt: number;
  readonly dependencies: DependencyRequest;
  pollsLeft: number;
  failed: Extract<BuildProgress, { state: 'failed' }> | null;
}

/** A builder that only remembers: the deterministic double of unit tests. */
export function createMemoryImageBuilder(options: MemoryImageBuilderOptions): ImageBuilder {
  const builds = new Map<string, MemoryBuild>();
  const ready = new Set<string>();

  function progressOf(key: string, build: MemoryBuild): BuildProgress {
    if (build.failed !== null) return build.failed;
    if (build.pollsLeft > 0) return { state: 'building' };
    const failure = options.failure?.(build.dependencies, build.attempt) ?? null;
    if (failure === null) {
      ready.add(key);
      return { state: 'ready' };
    }
    build.failed = { state: 'failed', failedAt: options.clock.now(), ...failure };
    return build.failed;
  }

  return {
    plan: async (dependencies) => {
      if (dependencies.requirements === null) return null;
      const key = createHash('sha256').update(JSON.stringify(dependencies)).digest('hex');
      return { key, ready: ready.has(key), image: null };
    },
    start: async ({ key, attempt, dependencies }) => {
      const earlier = builds.get(key);
      const isUnderWay = earlier?.attempt === attempt && earlier.failed === null;
      const isOld = earlier !== undefined && earlier.attempt > attempt;
      if (ready.has(key) || isUnderWay || isOld) return;
      builds.set(key, { attempt, dependencies, pollsLeft: options.polls, failed: null });
    },
    poll: async (key, attempt) => {
      if (ready.has(key)) return { state: 'ready' };
      const build = builds.get(key);
      if (build?.attempt !== attempt) return { state: 'absent' };
      const progress = progressOf(key, build);
      build.pollsLeft = Math.max(0, build.pollsLeft - 1);
      return progress;
    },
    cancel: async (key, attempt) => {
      const build = builds.get(key);
      if (build?.attempt !== attempt || ready.has(key)) return;
      build.failed ??= { ...CANCELLED, failedAt: options.clock.now() };
    },
    readLog: async (key, offset) => {
      const build = builds.get(key);
      const all = Buffer.from(build === undefined ? '' : `attempt ${build.attempt}\n`);
      return { text: all.toString('utf8', offset), next: Math.max(offset, all.length) };
    },
  };
}

const CANCELLED = {
  state: 'failed',
  message: 'The build was cancelled.',
  hint: null,
  retryable: true,
} as const;
