import { createMemoryStore } from '../../functions/adapters/memory/memory-store.ts';
import { consume } from '../../functions/consumers/consume.ts';
import { handleInSlices } from '../../functions/consumers/in-slices.ts';
import { type AcceptRequest, accept } from '../../functions/core/accept.ts';
import { createConfigCache } from '../../functions/core/config-cache.ts';
import type { CoreDeps, LaneSetting } from '../../functions/core/deps.ts';
import { createMeters } from '../../functions/core/meters.ts';
import { syncLane } from '../../functions/core/sync.ts';
import { tick } from '../../functions/core/tick.ts';
import { syncLanes } from '../../functions/core/tick-lanes.ts';
import type { Timing } from '../../functions/core/timing.ts';
import { wakeImages } from '../../functions/core/wake-images.ts';
import { HOSTED_TIMING, TICK_MS } from '../../functions/hosted/hosted-timing.ts';
import type { SubmissionDoc } from '../../functions/ports/documents.ts';
import type { LayerStore } from '../../functions/ports/layer-store.ts';
import type { Message } from '../../functions/ports/message.ts';
import type { Store, Write } from '../../functions/ports/store.ts';
import { SILENT_LOG } from '../doubles/logs.ts';
import { FAIR, type FaultRates } from './faults.ts';
import { type SimBuild, SimBuilds } from './sim-builds.ts';
import { SimInstance } from './sim-instance.ts';
import type { SimPlatform } from './sim-platform.ts';
import { Worker } from './worker.ts';
import { NEVER, type World } from './world.ts';

const ACK_DEADLINE_MS = 600_000;
const MAX_DELIVERIES = 12;
const SLICE_MS = 50_000;
const NEVER_ENDS = new AbortController().signal;

/** What the world is told while the service runs. */
export interface Observer {
  commit(writes: readonly Write[], worker: Worker | undefined): void;
  deliver(message: Message, store: Store): Promise<void>;
  published(message: Message, worker: Worker): void;
  /** What the dependencies of a submission make, as the builder planned it. */
  planned(requirements: string | null, key: string): void;
  build(build: SimBuild, live: readonly SimBuild[]): void;
}

/** The hosted service in virtual time: handlers on memory adapters, messages at least once, every call at risk. */
export class SimService {
  readonly store: Store;
  readonly platform: SimPlatform;
  readonly world: World;
  readonly lane: LaneSetting;
  readonly observer: Observer;
  readonly timing: Timing;
  private readonly chunkSize: number;
  rates: FaultRates = FAIR;
  readonly builds: SimBuilds;
  private readonly instances: SimInstance[] = [];
  private readonly maxInstances: number;
  private current: Worker | undefined;
  private readonly configs = createConfigCache();
  private readonly meters = createMeters();

  constructor(options: {
    world: World;
    platform: SimPlatform;
    lane: LaneSetting;
    observer: Observer;
    buildListLagMs: number;
    timing?: Partial<Timing>;
  }) {
    this.world = options.world;
    this.platform = options.platform;
    this.lane = options.lane;
    this.observer = options.observer;
    this.chunkSize = options.world.between(1, 12);
    this.timing = { ...HOSTED_TIMING, ...options.timing };
    this.maxInstances = options.world.pick([1, 1, 2, 4]);
    this.builds = new SimBuilds(options.world, {
      listLagMs: options.buildListLagMs,
      rates: () => this.rates,
      onCreate: (build, live) => this.observer.build(build, live),
      notify: () => this.wakeImages(),
    });
    this.store = createMemoryStore({
      clock: this.world,
      onCommit: (writes) => this.observer.commit(writes, this.current),
    });
  }

  /** A client's request; a crash of the service is a lost connection. */
  accept(request: AcceptRequest): Promise<SubmissionDoc> {
    return this.invoke((deps) => accept(deps, request));
  }

  /** Runs a handler in a worker of its own; rejects when the worker crashes, as its caller would see it. */
  invoke<T>(handler: (deps: CoreDeps) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const instance = this.anInstance();
      const worker: Worker = new Worker(
        this.world,
        () => this.rates,
        () => {
          reject(new Error('connection lost'));
          instance.leave(worker);
          // The instance died, and all that ran there; or it went on, and only this request was given up.
          if (this.world.chance(0.5)) instance.life.die();
        },
      );
      instance.enter(worker);
      handler(this.depsFor(worker, instance))
        .then(
          (value) => worker.alive && resolve(value),
          (error) => worker.alive && reject(error),
        )
        .finally(() => instance.leave(worker));
    });
  }

  // Of those that live any one, or a cold one; the service may have several.
  private anInstance(): SimInstance {
    const { world } = this;
    const alive = this.instances.filter(({ life }) => life.alive);
    // Scaled in, or replaced by a new revision: what runs there ends in peace, and nobody else gets there.
    if (alive.length > 0 && world.chance(this.rates.crashAfter / 4)) alive.shift();
    if (alive.length < this.maxInstances && (alive.length === 0 || world.chance(0.2)))
      alive.push(new SimInstance(world, () => this.rates, this.builds));
    this.instances.splice(0, this.instances.length, ...alive);
    return world.pick(alive);
  }

  /** Fair weather from here on. What still sleeps on the old instances may die there, and takes nobody along. */
  calm(): void {
    this.rates = FAIR;
    this.instances.splice(0);
  }

  private wakeImages(): void {
    this.invoke(wakeImages).catch(() => undefined);
  }

  /** The scheduler's call each minute, as tick-routes.ts does it; calls may be lost. */
  scheduleHosted(): void {
    this.world.after(TICK_MS, () => {
      this.scheduleHosted();
      if (this.world.chance(this.rates.drop)) return;
      this.invoke(async (deps) => {
        await tick(deps).catch(() => undefined);
        await syncLanes(deps, { everyMs: TICK_MS, signal: NEVER_ENDS });
      }).catch(() => undefined);
    });
  }

  /** Ticks now and then for ever. */
  schedule(): void {
    this.world.after(this.world.between(20_000, 60_000), () => {
      this.invoke(tick).catch(() => undefined);
      this.schedule();
    });
  }

  /** Syncs for ever. */
  scheduleSync(): void {
    this.world.after(this.world.between(5_000, 30_000), () => {
      this.invoke((deps) =>
        syncLane(deps, this.lane.id, { full: this.world.chance(0.5), wake: 'message' }),
      ).catch(() => undefined);
      this.scheduleSync();
    });
  }

  // At least once, in any order: delayed, duplicated, sometimes lost for good; delivered again until handled.
  private send(message: Message): void {
    if (this.world.chance(this.rates.drop)) return;
    const copies = this.world.chance(this.rates.duplicate) ? this.world.between(2, 3) : 1;
    for (let copy = 0; copy < copies; copy++)
      this.deliver(message, this.world.pick([0, 5, 100, 2_000, 20_000]), 1);
  }

  private deliver(message: Message, delayMs: number, attempt: number): void {
    this.world.after(delayMs + this.world.between(0, 50), () => {
      const retry = () =>
        attempt < MAX_DELIVERIES &&
        this.deliver(message, this.world.between(1_000, 10_000), attempt + 1);
      void this.observer.deliver(message, this.store).then(() => {
        const handled = this.invoke((deps) =>
          handleInSlices(deps, message, {
            slice: { endAt: this.world.now() + SLICE_MS, signal: NEVER_ENDS },
            handle: () => consume(deps, message),
          }),
        );
        const timeout = this.world
          .sleep(ACK_DEADLINE_MS)
          .then(() => Promise.reject(new Error('ack deadline')));
        Promise.race([handled, timeout]).then(undefined, retry);
        handled.catch(() => undefined);
        timeout.catch(() => undefined);
      });
    });
  }

  private depsFor(worker: Worker, instance: SimInstance): CoreDeps {
    return {
      store: this.storeFor(worker),
      queue: {
        keepsMessages: true,
        publish: (messages) =>
          worker.call(async () => {
            for (const message of messages) {
              this.observer.published(message, worker);
              this.send(message);
            }
          }),
      },
      layers: VERIFIED_LAYERS,
      builder: {
        ...instance.builder,
        plan: async (dependencies) => {
          const plan = await whileAlive(worker, () => instance.builder.plan(dependencies));
          if (plan !== null) this.observer.planned(dependencies.requirements, plan.key);
          return plan;
        },
        start: (build) => whileAlive(worker, () => instance.builder.start(build)),
        poll: (key, attempt) => whileAlive(worker, () => instance.builder.poll(key, attempt)),
      },
      registry: {
        resolve: (reference) => whileAlive(worker, () => instance.registry.resolve(reference)),
        append: (image) => whileAlive(worker, () => instance.registry.append(image)),
      },
      platforms: new Map([[this.platform.options.kind, this.platform.portFor(worker)]]),
      lanes: [this.lane],
      defaultPlatform: this.lane.platform,
      clock: { now: () => this.world.now(), sleep: (ms) => this.world.sleep(ms) },
      random: this.world,
      log: SILENT_LOG,
      meters: this.meters,
      timing: this.timing,
      chunkSize: this.chunkSize,
      configs: this.configs,
      waitOnLane: (_, ms) => worker.call(() => this.world.sleep(ms)),
    };
  }

  private storeFor(worker: Worker): Store {
    const { store } = this;
    const noteStopped = (items: readonly ({ value: unknown } | undefined)[]) => {
      for (const item of items) {
        const value = item?.value;
        if (
          typeof value === 'object' &&
          value !== null &&
          'stopRequestedAt' in value &&
          'chunks' in value &&
          value.stopRequestedAt !== null &&
          'id' in value
        )
          worker.sawStopped.add(String(value.id));
      }
    };
    return {
      get: (keys) =>
        worker.call(async () => {
          const found = await store.get(keys);
          noteStopped(found);
          return found;
        }),
      commit: (writes) =>
        worker.call(async () => {
          this.current = worker;
          try {
            await store.commit(writes);
          } finally {
            this.current = undefined;
          }
        }),
      list: (query, params, page) => worker.call(() => store.list(query, params, page)),
      count: (query, params) => worker.call(() => store.count(query, params)),
    };
  }
}

// What a dead worker would do next is never done.
function whileAlive<T>({ alive }: Worker, run: () => Promise<T>): Promise<T> {
  return alive ? run() : NEVER;
}

const VERIFIED_LAYERS: LayerStore = {
  check: async (diffIds) =>
    diffIds.map(
      (diffId) =>
        ({
          state: 'verified',
          layer: {
            diffId,
            blobDigest: diffId,
            blobSize: 1,
            encoding: 'identity',
            uncompressedSize: 1,
          },
        }) as const,
    ),
  begin: async () => ({ uploadUrl: null }),
  complete: async () => 'verified',
  verify: async () => undefined,
  reverify: async () => null,
  open: async () => {
    throw new Error('no bytes in a simulation');
  },
  readFile: async () => undefined,
};
