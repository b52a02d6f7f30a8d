import { createHash } from 'node:crypto';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { RunImage } from '../../ports/registry.ts';
import { appDirectoryLayer } from './app-directory.ts';
import type { ImageFacts } from './image-facts.ts';

/** A run image as it will be in the engine: known before anything is sent. */
export interface PlannedImage {
  /** `sha256:` and the hash of `config`. */
  readonly id: string;
  /** A name of its own, so that nobody takes it for left over. */
  readonly tag: string;
  /** The image's configuration, byte for byte (Docker Image Specification v1.2). */
  readonly config: string;
  /** All layers as `sha256:…`: those of the base, the code, and its directory (app-directory.ts) when there is code. */
  readonly diffIds: readonly string[];
  /** Diff ids of the code layers, and the words before the job's arguments. */
  readonly layers: readonly string[];
  readonly entrypoint: readonly string[];
}

// Repository of the private tags of run images.
const RUN_REPOSITORY = 'caliban/run';
/** The label that all run images have. */
export const RUN_LABEL = { 'dev.caliban.kind': 'run' };

/**
 * The image that appending makes. The same input makes the same bytes: all times are the base's, all names are sorted. Throws AppError
 * BUILD_FAILED for a base that is no Linux image of layers.
 */
export function planRunImage(base: ImageFacts, image: RunImage): PlannedImage {
  if (base.os !== 'linux' || base.layers === null) {
    throw new AppError(
      'BUILD_FAILED',
      `No code can be laid on ${image.base}: it is no Linux image.`,
      {
        hint: 'Name another base image.',
      },
    );
  }
  const added = image.layers.length === 0 ? [] : [...image.layers, appDirectoryLayer().diffId];
  const diffIds = [...base.layers, ...added.map((layer) => `sha256:${layer}`)];
  const config = JSON.stringify({
    architecture: base.architecture,
    ...(base.variant === null ? {} : { variant: base.variant }),
    os: base.os,
    created: base.created,
    config: settingsOf(base, image.entrypoint),
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: [
      ...base.layers.map((layer) => step(base, `caliban: ${layer} of ${base.id}`)),
      ...added.map((layer) => step(base, `caliban: layer ${layer}`)),
      { ...step(base, 'caliban: entry point'), empty_layer: true },
    ],
  });
  const hash = createHash('sha256').update(config).digest('hex');
  const tag = `${RUN_REPOSITORY}:${hash.slice(0, 40)}`;
  const { layers, entrypoint } = image;
  return { id: `sha256:${hash}`, tag, config, diffIds, layers, entrypoint };
}

// Health checks and build triggers of a base are not the job's.
function settingsOf({ settings }: ImageFacts, entrypoint: readonly string[]) {
  return {
    User: settings.User,
    Env: settings.Env,
    WorkingDir: settings.WorkingDir,
    Entrypoint: entrypoint,
    Labels: sorted({ ...settings.Labels, ...RUN_LABEL }),
    ...(settings.Volumes === null ? {} : { Volumes: sorted(settings.Volumes) }),
    ...(settings.ExposedPorts === null ? {} : { ExposedPorts: sorted(settings.ExposedPorts) }),
    ...(settings.StopSignal === '' ? {} : { StopSignal: settings.StopSignal }),
    ...(settings.Shell === null ? {} : { Shell: settings.Shell }),
  };
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  const entries = Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}

function step({ created }: ImageFacts, text: string) {
  return { created, created_by: text };
}
