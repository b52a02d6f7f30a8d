import type { PlatformKind } from '../../shared/jobs/platform-kind.ts';
import type { LanePolicy } from '../ports/documents.ts';
import type { ImageBuilder } from '../ports/image-builder.ts';
import type { LayerStore } from '../ports/layer-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { Queue } from '../ports/queue.ts';
import type { Registry } from '../ports/registry.ts';
import type { Clock, Log, Random } from '../ports/runtime.ts';
import type { Store } from '../ports/store.ts';
import type { ConfigCache } from './config-cache.ts';
import type { Meters } from './meters.ts';
import type { Timing } from './timing.ts';

/** A lane as configured. */
export interface LaneSetting {
  readonly id: string;
  readonly platform: PlatformKind;
  readonly policy: LanePolicy;
  /** Where in the cloud its jobs run; without it: where the service is. */
  readonly place?: { readonly project: string; readonly region: string };
}

/** Everything the core is given; it has no other way to the world. */
export interface CoreDeps {
  readonly store: Store;
  readonly queue: Queue;
  readonly layers: LayerStore;
  readonly builder: ImageBuilder;
  /** Null where jobs run without images. */
  readonly registry: Registry | null;
  readonly platforms: ReadonlyMap<PlatformKind, Platform>;
  /** Lanes of this service; the first of a platform is its default. */
  readonly lanes: readonly LaneSetting[];
  readonly defaultPlatform: PlatformKind;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly meters: Meters;
  readonly timing: Timing;
  /** Experiments of one chunk, for new submissions: at most LIMITS.chunkExperiments. */
  readonly chunkSize: number;
  readonly configs: ConfigCache;
  /**
   * Waits inside long work for a lane: `ms`, or less when there may be something to do on it. Rejects when the host ends, also for
   * 0 ms: such work must not outlive it, and its message comes again.
   */
  waitOnLane(lane: string, ms: number): Promise<void>;
}
