import { createCloudBuildBuilder } from '../../functions/adapters/gcp/cloud-build-builder.ts';
import type { ImageBuilder } from '../../functions/ports/image-builder.ts';
import type { Registry } from '../../functions/ports/registry.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import type { FaultRates } from './faults.ts';
import type { SimBuilds } from './sim-builds.ts';
import { REPOSITORY, simRegistryFor } from './sim-registry.ts';
import { Worker } from './worker.ts';
import type { World } from './world.ts';

/** An instance of the service: requests that run there at once share its builder, with what that remembers, and die with it. */
export class SimInstance {
  readonly life: Worker;
  readonly builder: ImageBuilder;
  readonly registry: Registry;
  private readonly workers = new Set<Worker>();

  constructor(world: World, rates: () => FaultRates, builds: SimBuilds) {
    this.life = new Worker(world, rates, () => {
      for (const worker of this.workers) worker.die();
      this.workers.clear();
    });
    const { life } = this;
    const registry = simRegistryFor(life, world, builds);
    this.registry = registry;
    this.builder = createCloudBuildBuilder(
      {
        projectId: 'project',
        region: 'region',
        endpoint: null,
        repository: REPOSITORY,
        serviceAccount: null,
        logsBucket: 'logs',
        builderImage: 'docker',
        timeoutMs: 900_000,
        baseImages: null,
        caBundlePem: null,
        indexUrlSecret: null,
        registry,
        readLayerFile: (_, path) => life.call(async () => new TextEncoder().encode(`${path}\n`)),
        putContext: (object) =>
          life.call(async () => ({ bucket: 'contexts', object, generation: '1' })),
        readObject: () => life.call(async () => undefined),
        clock: { now: () => world.now(), sleep: (ms) => world.sleep(ms) },
        log: SILENT_LOG,
      },
      builds.apiFor(life),
    );
  }

  /** A request begins here. */
  enter(worker: Worker): void {
    this.workers.add(worker);
  }

  /** A request ended. */
  leave(worker: Worker): void {
    this.workers.delete(worker);
  }
}
