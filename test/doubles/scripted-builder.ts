import type { DependencySpec, ImageBuilder } from '../../functions/ports/image-builder.ts';

/** A builder whose answers a test sets; it builds nothing. */
export interface ScriptedBuilder extends ImageBuilder {
  /** What `plan` answers; a function, to throw. */
  planned: (
    dependencies: DependencySpec,
  ) => { readonly key: string; readonly ready: boolean } | null;
  /** The whole build log. */
  log: string;
}

/** A builder with nothing to prepare. */
export function createScriptedBuilder(): ScriptedBuilder {
  const builder: ScriptedBuilder = {
    planned: () => null,
    log: '',
    plan: async (dependencies) => builder.planned(dependencies),
    start: async () => {},
    poll: async () => ({ state: 'ready' }),
    cancel: async () => {},
    readLog: async (_key, offset) => {
      const bytes = Buffer.from(builder.log);
      return { text: bytes.subarray(offset).toString(), next: Math.max(offset, bytes.length) };
    },
  };
  return builder;
}
