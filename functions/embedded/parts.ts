import { LIMITS } from '../../shared/api/limits.ts';
import type { PlatformKind } from '../../shared/jobs/platform-kind.ts';
import { createOfflinePlatform } from '../adapters/local/attempts/offline-platform.ts';
import { openDiskLayerStore } from '../adapters/local/layers/disk-layer-store.ts';
import type { SqliteStore } from '../adapters/local/sqlite/sqlite-store.ts';
import { createConfigCache } from '../core/config-cache.ts';
import type { LaneSetting } from '../core/deps.ts';
import { createMeters } from '../core/meters.ts';
import { DEFAULT_TIMING } from '../core/timing.ts';
import type { ImageBuilder } from '../ports/image-builder.ts';
import type { Platform } from '../ports/platform.ts';
import type { Registry } from '../ports/registry.ts';
import type { Log } from '../ports/runtime.ts';
import { systemClock, systemRandom } from '../runtime/system.ts';
import type { DataDir } from './data-dir.ts';
import type { LocalPlatform } from './platform-choice.ts';
import type { BuildSettings, JobLimits } from './settings.ts';

/** Exactly what does not depend on how jobs run here. */
export function coreDeps(store: SqliteStore, lane: LaneSetting, log: Log) {
  return {
    store,
    lanes: [lane],
    defaultPlatform: lane.platform,
    clock: systemClock,
    random: systemRandom,
    log,
    meters: createMeters(),
    timing: DEFAULT_TIMING,
    chunkSize: LIMITS.chunkExperiments,
    configs: createConfigCache(),
  };
}

/** What running jobs here takes. */
export interface PartsRequest {
  readonly dir: DataDir;
  readonly slots: number;
  readonly builds: BuildSettings;
  readonly limits: JobLimits;
  readonly log: Log;
  readonly layers: LocalLayers;
  /** Called when a job may have changed. */
  readonly onChange: () => void;
}

/** What runs jobs here, and prepares what they run in. */
export interface RunningParts {
  readonly builder: ImageBuilder & { close(): Promise<void> };
  readonly registry: (Registry & { close(): Promise<void> }) | null;
  readonly platform: Platform & { close(): Promise<void> };
}

/** Opens what a platform needs; what the other one needs is not even loaded. */
export async function openRunningParts(
  platform: LocalPlatform,
  request: PartsRequest,
): Promise<RunningParts> {
  if (platform === 'docker') return (await import('./docker-parts.ts')).openDockerParts(request);
  return (await import('./process-parts.ts')).openProcessParts(request);
}

/** The running platform, and the logs of what another one ran here before. */
export function platformsOf(dir: DataDir, running: Platform): ReadonlyMap<PlatformKind, Platform> {
  return new Map<PlatformKind, Platform>([...recordsOf(dir), [running.kind, running]]);
}

/** What jobs printed, without a service. */
export function recordsOf(dir: DataDir): ReadonlyMap<PlatformKind, Platform> {
  return new Map<PlatformKind, Platform>([
    ['process', createOfflinePlatform('process', dir.platform)],
    ['docker', createOfflinePlatform('docker', dir.docker)],
  ]);
}

/** The directory's layers. */
export type LocalLayers = Awaited<ReturnType<typeof openLayers>>;

/** Opens the directory's layers. */
export function openLayers(dir: DataDir) {
  return openDiskLayerStore({
    dir: dir.layers,
    clock: systemClock,
    limits: {
      maxBlobBytes: LIMITS.layerBlobBytes,
      maxUncompressedBytes: LIMITS.layerUncompressedBytes,
      maxEntries: LIMITS.layerEntries,
    },
  });
}
