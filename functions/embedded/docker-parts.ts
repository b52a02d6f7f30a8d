import { isAppError } from '../../shared/errors/app-error.ts';
import { makeBuildsDirectory } from '../adapters/local/builds/build-log.ts';
import { openDockerPlatform } from '../adapters/local/docker/containers/docker-platform.ts';
import { createDockerCliFinder } from '../adapters/local/docker/engine/docker-cli.ts';
import { connectEngine } from '../adapters/local/docker/engine/engine.ts';
import { engineAddress } from '../adapters/local/docker/engine/engine-address.ts';
import { refuseBeyondMachine } from '../adapters/local/docker/engine/machine-limits.ts';
import { probeDocker } from '../adapters/local/docker/engine/probe-docker.ts';
import { createBaseResolver } from '../adapters/local/docker/images/base-image.ts';
import { createEngineRegistry } from '../adapters/local/docker/images/engine-registry.ts';
import { createDockerBuilder } from '../adapters/local/docker/images/image-builder.ts';
import { environment, systemClock } from '../runtime/system.ts';
import type { PartsRequest, RunningParts } from './parts.ts';
import type { DockerProbe } from './platform-choice.ts';
import type { BuildSettings } from './settings.ts';

/** Containers of this machine's Docker engine, in images. */
export async function openDockerParts(request: PartsRequest): Promise<RunningParts> {
  const { dir, slots, builds, limits, log, layers, onChange } = request;
  const machine = await machineDocker();
  await refuseBeyondMachine(machine.engine, limits);
  await makeBuildsDirectory(dir.images);
  const connect = async () => machine.engine;
  const registry = createEngineRegistry({
    ...{ layers, log, connect, clock: systemClock, findDocker: machine.findCli },
  });
  const builder = createDockerBuilder({
    ...machine,
    settings: {
      baseImages: builds.baseImage,
      caBundle: builds.caBundle,
      indexUrl: builds.indexUrl,
    },
    dir: dir.images,
    network: null,
    log,
    clock: systemClock,
    readLayerFile: (diffId, path, maxBytes) => layers.readFile(diffId, path, maxBytes),
  });
  const platform = await openDockerPlatform({
    ...{ dir: dir.docker, slots, limits, log, onChange, connect, clock: systemClock },
  });
  return { builder, registry, platform };
}

/** Whether this machine's Docker can be used, for these base images. */
export async function probe({ baseImage }: BuildSettings): Promise<DockerProbe> {
  try {
    return await probeDocker({ ...(await machineDocker()), baseImages: baseImage });
  } catch (error) {
    if (isAppError(error, 'DOCKER_UNUSABLE')) return { usable: false, reason: error.message };
    throw error;
  }
}

async function machineDocker() {
  const address = await engineAddress(environment());
  const engine = await connectEngine(address);
  return {
    engine,
    findCli: createDockerCliFinder({ environment: environment(), host: address.host }),
    resolveBase: createBaseResolver({ engine, clock: systemClock }),
  };
}
