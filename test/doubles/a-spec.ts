import type { SubmissionSpec } from '../../shared/api/submissions.ts';

/** Key of the code layer that {@link aSpec} names. */
export const CODE_LAYER = 'c'.repeat(64);

/** A request to run one experiment of `train.py` without dependencies, with changes. */
export function aSpec(changes: Partial<SubmissionSpec> = {}): SubmissionSpec {
  return {
    schemaVersion: 1,
    module: 'train.py',
    scriptPath: 'train.py',
    command: ['python', 'train.py'],
    scriptArgs: [],
    config: null,
    configLayer: null,
    group: 'sweep',
    name: null,
    labels: {},
    mode: 'cpu',
    hardware: { gpu: null, tpu: null, machineType: null, region: null },
    projectId: null,
    platform: null,
    image: null,
    codeLayers: [CODE_LAYER],
    dependencies: {
      base: null,
      apt: [],
      python: null,
      extras: [],
      layer: null,
      requirements: null,
    },
    source: { path: '~/proj', extraDirs: [] },
    ...changes,
  };
}
