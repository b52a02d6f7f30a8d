import { LIMITS } from '../../shared/api/limits.ts';
import { openDiskLayerStore } from '../adapters/local/layers/disk-layer-store.ts';
import { extractLayer } from '../adapters/local/layers/extract-layer.ts';
import { openProcessPlatform } from '../adapters/local/process/process-platform.ts';
import { createInterpreterResolver } from '../adapters/local/python.ts';
import type { SqliteStore } from '../adapters/local/sqlite/sqlite-store.ts';
import { createVenvBuilder } from '../adapters/local/venv/venv-builder.ts';
import { createConfigCache } from '../core/config-cache.ts';
import type { LaneSetting } from '../core/deps.ts';
import { createMeters } from '../core/meters.ts';
import { DEFAULT_TIMING } from '../core/timing.ts';
import type { Log } from '../ports/runtime.ts';
import type { DataDir } from './data-dir.ts';
import { environment, systemClock, systemRandom } from './runtime.ts';

/** The lane of this machine, with so many jobs at the same time. */
export function laneOf(slots: number): LaneSetting {
  return {
    id: 'this-machine',
    platform: 'process',
    policy: { ratePerMinute: null, maxActive: slots },
  };
}

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

/** What runs jobs here; `onChange` is called when one of them may have changed. */
export async function openParts(from: {
  readonly dir: DataDir;
  readonly slots: number;
  readonly log: Log;
  readonly onChange: () => void;
}) {
  const { dir, slots, log, onChange } = from;
  const layers = await openLayers(dir);
  const interpreter = createInterpreterResolver({ path: environment()['PATH'] });
  const builder = createVenvBuilder({
    dir: dir.builds,
    interpreter,
    readLayerFile: (diffId, path, maxBytes) => layers.readFile(diffId, path, maxBytes),
    log,
    environment: environment(),
  });
  const platform = await openProcessPlatform({
    dir: dir.platform,
    slots,
    clock: systemClock,
    log,
    environment: environment(),
    interpreter,
    venvDir: builder.venvDir,
    openLayer: (diffId) => layers.open(diffId),
    extractLayer,
    onChange,
  });
  return { layers, builder, platform };
}

/** The directory's layers. */
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
