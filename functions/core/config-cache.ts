import {
  type ExperimentConfig,
  parseExperimentConfig,
} from '../../shared/experiments/config-model.ts';

/** Parsed configs of the submissions at hand: chunks of one submission arrive together. */
export interface ConfigCache {
  /** The parsed config of a submission; `load` gives its text when it is not at hand. A config never changes. */
  get(submissionId: string, load: () => Promise<string>): Promise<ExperimentConfig>;
  /** Keeps a config that was parsed already. */
  put(submissionId: string, config: ExperimentConfig): void;
}

/** A cache of the `size` configs used last. */
export function createConfigCache(size = 8): ConfigCache {
  const configs = new Map<string, ExperimentConfig>();
  function keep(submissionId: string, config: ExperimentConfig): void {
    configs.delete(submissionId);
    configs.set(submissionId, config);
    const oldest = configs.keys().next();
    if (configs.size > size && !oldest.done) configs.delete(oldest.value);
  }
  return {
    put: keep,
    async get(submissionId, load) {
      const config = configs.get(submissionId) ?? parseExperimentConfig(await load());
      keep(submissionId, config);
      return config;
    },
  };
}
