import { makeBuildsDirectory } from '../adapters/local/builds/build-log.ts';
import { extractLayer } from '../adapters/local/layers/extract-layer.ts';
import { openProcessPlatform } from '../adapters/local/process/process-platform.ts';
import { createInterpreterResolver } from '../adapters/local/python.ts';
import { createVenvBuilder } from '../adapters/local/venv/venv-builder.ts';
import { environment, systemClock } from '../runtime/system.ts';
import type { PartsRequest, RunningParts } from './parts.ts';
import type { BuildSettings } from './settings.ts';

/** Plain processes of this machine, in virtualenvs. */
export async function openProcessParts(request: PartsRequest): Promise<RunningParts> {
  const { dir, slots, builds, log, layers, onChange } = request;
  await makeBuildsDirectory(dir.builds);
  const interpreter = createInterpreterResolver({ path: environment()['PATH'] });
  const builder = createVenvBuilder({
    dir: dir.builds,
    interpreter,
    readLayerFile: (diffId, path, maxBytes) => layers.readFile(diffId, path, maxBytes),
    log,
    clock: systemClock,
    environment: { ...environment(), ...pipSettings(builds) },
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
  return { builder, registry: null, platform };
}

function pipSettings({ caBundle, indexUrl }: BuildSettings): Record<string, string> {
  return {
    ...(caBundle === null ? {} : { PIP_CERT: caBundle }),
    ...(indexUrl === null ? {} : { PIP_INDEX_URL: indexUrl }),
  };
}
