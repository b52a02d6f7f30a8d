import { LIMITS } from '../../shared/api/limits.ts';
import type { SubmissionSpec } from '../../shared/api/submissions.ts';
import { AppError, isAppError } from '../../shared/errors/app-error.ts';
import {
  type ExperimentConfig,
  parseExperimentConfig,
} from '../../shared/experiments/config-model.ts';
import { countWithin } from '../../shared/experiments/expand.ts';
import { needsImages, WITHOUT_IMAGES_HINT } from '../../shared/image/needs-images.ts';
import type { HardwareSpec } from '../ports/documents.ts';
import { chooseLane } from './choose-lane.ts';
import { chunkSizeOf } from './chunk-size.ts';
import type { CoreDeps, LaneSetting } from './deps.ts';
import { wantedHardware } from './wanted-hardware.ts';

const CONFIG_FILE = 'config.json';
const NO_CONFIG = '{}';

/** A checked request: its config parsed and counted, its lane chosen, its layers there. */
export interface CheckedSpec {
  readonly configText: string;
  readonly config: ExperimentConfig;
  readonly count: number;
  readonly lane: LaneSetting;
  readonly hardware: HardwareSpec;
  /** Experiments of one chunk. */
  readonly chunkSize: number;
  /** Layers that are there and not verified yet; their uploader may be gone. */
  readonly unverified: readonly string[];
}

/**
 * Checks everything that can be wrong with a request before anything is written. Throws AppErrors that name value,
 * limit and fix: CONFIG_*, LIMIT_EXCEEDED, PLATFORM_UNSUPPORTED, LAYER_*.
 */
export async function checkSpec(
  deps: CoreDeps,
  spec: SubmissionSpec,
  layers: 'must-exist' | 'may-miss',
): Promise<CheckedSpec> {
  const lane = chooseLane(deps, spec);
  refuseWhatThePlatformLacks(lane, spec);
  const hardware = wantedHardware(lane, spec);
  const unverified = layers === 'must-exist' ? await requireLayers(deps, layersOf(spec)) : [];
  const configText = await configTextOf(deps, spec);
  const config = parseExperimentConfig(configText);
  refuseUnpassable(config);
  const count = countWithin(config, LIMITS.experiments);
  const chunkSize = chunkSizeOf(deps.chunkSize, {
    scriptArgs: spec.scriptArgs,
    labels: spec.labels,
    ...{ configText, config },
  });
  return { configText, config, count, lane, hardware, chunkSize, unverified };
}

/** Every layer a submission needs, code first. */
export function layersOf(spec: {
  readonly codeLayers: readonly string[];
  readonly dependencies: { readonly layer: string | null };
}): readonly string[] {
  const { layer } = spec.dependencies;
  return layer === null ? spec.codeLayers : [...spec.codeLayers, layer];
}

// No system passes a NUL character or half a surrogate pair to a program.
function refuseUnpassable(config: ExperimentConfig): void {
  for (const sweep of config.sweeps) {
    for (const { name, dimension: at } of sweep.flags) {
      const rows = sweep.dimensions[at]?.rows ?? [];
      const bad = [name, ...rows.flat()].find(
        (text) => typeof text === 'string' && (text.includes('\0') || !text.isWellFormed()),
      );
      if (bad !== undefined) {
        throw new AppError(
          'CONFIG_INVALID',
          `Key ${JSON.stringify(name)}: ${JSON.stringify(bad)} cannot be passed to a program.`,
          {
            hint: 'Take out the NUL character or the lone surrogate.',
            context: { key: name, reason: 'bad-value' },
          },
        );
      }
    }
  }
}

function refuseWhatThePlatformLacks(lane: LaneSetting, spec: SubmissionSpec): void {
  if (lane.platform !== 'process') return;
  const lacking = needsImages({ ...spec.dependencies, image: spec.image });
  if (lacking.length > 0) {
    throw new AppError(
      'PLATFORM_UNSUPPORTED',
      `The process platform runs no images, so it cannot provide ${lacking.join(' and ')}.`,
      { hint: WITHOUT_IMAGES_HINT },
    );
  }
}

// Returns those that are not verified yet.
async function requireLayers(
  deps: CoreDeps,
  diffIds: readonly string[],
): Promise<readonly string[]> {
  const states = await deps.layers.check(diffIds);
  for (const [at, found] of states.entries()) {
    const diffId = diffIds[at] ?? '';
    if (found.state === 'missing') {
      throw new AppError('LAYER_MISSING', `Layer ${diffId} was not uploaded.`, {
        hint: 'Upload it (POST /v1/layers), then send the same request again.',
        context: { diffId },
      });
    }
    if (found.state === 'failed') {
      throw new AppError('LAYER_INVALID', `Layer ${diffId} was refused: ${found.reason}`, {
        hint: 'Upload it again without what was refused (POST /v1/layers), then send the request again.',
        context: { diffId },
      });
    }
  }
  return diffIds.filter((_, at) => states[at]?.state === 'complete');
}

async function configTextOf(deps: CoreDeps, spec: SubmissionSpec): Promise<string> {
  if (spec.configLayer !== null) return readConfigLayer(deps, spec.configLayer);
  const text = spec.config ?? NO_CONFIG;
  // UTF-8 is at most three times the UTF-16 length, so most texts need no encoding to be measured.
  if (
    text.length * 3 > LIMITS.inlineConfigBytes &&
    Buffer.byteLength(text) > LIMITS.inlineConfigBytes
  ) {
    throw new AppError(
      'CONFIG_TOO_LARGE',
      `The experiment config has ${Buffer.byteLength(text)} bytes; inline the limit is ${LIMITS.inlineConfigBytes}.`,
      {
        hint: 'Upload it as a layer that holds config.json and send configLayer.',
      },
    );
  }
  return text;
}

async function readConfigLayer(deps: CoreDeps, diffId: string): Promise<string> {
  await requireLayers(deps, [diffId]);
  const bytes = await deps.layers
    .readFile(diffId, CONFIG_FILE, LIMITS.configBytes)
    .catch((error: unknown) => {
      throw isAppError(error) && error.code === 'LIMIT_EXCEEDED' ? configTooLarge(error) : error;
    });
  if (bytes === undefined) {
    throw new AppError('CONFIG_INVALID', `Layer ${diffId} holds no ${CONFIG_FILE}.`, {
      hint: `Put the experiment config into the layer as a regular file ${CONFIG_FILE}, at its top.`,
      context: { diffId },
    });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `${CONFIG_FILE} of layer ${diffId} is not UTF-8.`, {
      hint: 'Save the experiment config as UTF-8.',
      context: { diffId },
      cause,
    });
  }
}

function configTooLarge(cause: AppError): AppError {
  return new AppError('CONFIG_TOO_LARGE', cause.message, {
    hint: 'Write lists where the config spells out single experiments, or submit it in parts.',
    context: { limit: LIMITS.configBytes },
    cause,
  });
}
