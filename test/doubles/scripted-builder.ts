import type { BuildProgress, ImageBuilder } from '../../functions/ports/image-builder.ts';

/** A builder that says what the test tells it to say. */
export interface ScriptedBuilder extends ImageBuilder {
  /** Attempts that were started, in order, as `KEY.ATTEMPT`. */
  readonly started: string[];
  /** What `poll` answers; `absent` until a build was started, then `building`, unless the test says more. */
  progress: BuildProgress | undefined;
  /** What `plan` answers; by default there is nothing to prepare. */
  onPlan: ImageBuilder['plan'];
  onStart: () => Promise<void>;
  /** The whole build log. */
  log: string;
}

/** A builder with nothing to prepare. */
export function createScriptedBuilder(): ScriptedBuilder {
  const builder: ScriptedBuilder = {
    started: [],
    progress: undefined,
    onPlan: async () => null,
    onStart: async () => undefined,
    log: '',
    plan: (dependencies) => builder.onPlan(dependencies),
    async start({ key, attempt }) {
      await builder.onStart();
      builder.started.push(`${key}.${attempt}`);
    },
    async poll(key, attempt) {
      if (builder.progress !== undefined) return builder.progress;
      return { state: builder.started.includes(`${key}.${attempt}`) ? 'building' : 'absent' };
    },
    cancel: async () => undefined,
    readLog: async (_key, offset) => {
      const bytes = Buffer.from(builder.log);
      return { text: bytes.subarray(offset).toString(), next: Math.max(offset, bytes.length) };
    },
  };
  return builder;
}
