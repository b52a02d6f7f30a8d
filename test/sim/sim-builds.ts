import {
  type CloudBuild,
  type CloudBuilds,
  isLive,
} from '../../functions/adapters/gcp/build-client.ts';
import { attemptOf, type BuildRequest } from '../../functions/adapters/gcp/build-spec.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { FaultRates } from './faults.ts';
import type { Worker } from './worker.ts';
import type { World } from './world.ts';

/** How long a create may take: after it the client gives up, and a request that did not arrive is refused (build-client.ts). */
const CREATE_MS = 30_000;
/** How late lists may show a build, so that the builder's grace (cloud-build-builder.ts) covers it and a create. */
export const ASSUMED_LIST_LAG_MS = 90_000;

/** A build as the simulated Cloud Build knows it. */
export interface SimBuild {
  readonly id: string;
  readonly key: string;
  readonly attempt: number;
  /** The instance of the service that asked for it. */
  readonly by: Worker;
  readonly createdAt: number;
  /** Lists show it only from here on. */
  readonly visibleAt: number;
  endsAt: number;
  end: Ended;
}

interface Ended {
  readonly status: 'SUCCESS' | 'FAILURE' | 'INTERNAL_ERROR' | 'TIMEOUT' | 'CANCELLED';
  readonly type: string;
}

/** What Cloud Build does besides building. */
export interface SimBuildsOptions {
  readonly listLagMs: number;
  readonly rates: () => FaultRates;
  /** A build began while others of its key live. */
  readonly onCreate: (build: SimBuild, live: readonly SimBuild[]) => void;
  /** A notification arrives. */
  readonly notify: () => void;
}

/**
 * Cloud Build without request ids: two creates are two builds. Lists lag, replies get lost, creates arrive late or never, quota refuses.
 * Builds push their image under their key as they succeed; notifications come, come twice, late or never.
 */
export class SimBuilds {
  readonly builds: SimBuild[] = [];
  private readonly world: World;
  private readonly options: SimBuildsOptions;
  private readonly broken = new Map<string, boolean>();

  constructor(world: World, options: SimBuildsOptions) {
    this.world = world;
    this.options = options;
  }

  /** The API as one instance of the service sees it. */
  apiFor(instance: Worker): CloudBuilds {
    return {
      create: (request) => this.create(instance, request),
      list: (key) =>
        instance.call(async () =>
          this.builds
            .filter((build) => build.key === key && build.visibleAt <= this.world.now())
            .map((build) => this.observe(build, this.options.listLagMs))
            .toSorted((a, b) => b.createdAt - a.createdAt),
        ),
      get: (id) =>
        instance.call(async () => {
          const found = this.builds.find((build) => build.id === id);
          return found === undefined ? null : this.observe(found, 0);
        }),
      cancel: (id) => instance.call(async () => this.cancel(id)),
      close: async () => undefined,
    };
  }

  /** When the image of a key is there; undefined: never, as far as is known. */
  pushedAt(key: string): number | undefined {
    const good = this.builds.filter((build) => build.key === key && build.end.status === 'SUCCESS');
    const ends = good.map(({ endsAt }) => endsAt);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** Builds that run. */
  live(): SimBuild[] {
    return this.builds.filter((build) => build.endsAt > this.world.now());
  }

  /** Whether all that failed so far lets the builds of a key be given up: a final failure, or three attempts of a round. */
  mayGiveUp(key: string): boolean {
    const failed = this.builds.filter(
      (build) =>
        build.key === key && build.endsAt <= this.world.now() && build.end.status !== 'SUCCESS',
    );
    const attempts = new Set(failed.map(({ attempt }) => attempt));
    const isUsedUp = [...attempts].some(
      (attempt) => attempt % 3 === 0 && attempts.has(attempt - 1) && attempts.has(attempt - 2),
    );
    return isUsedUp || failed.some(({ end }) => isFinal(end));
  }

  // A lost reply is no error here: nobody knows, which is what null says.
  private async create(instance: Worker, request: BuildRequest): Promise<string | null> {
    const { world } = this;
    const until = world.now() + CREATE_MS;
    let refused: unknown;
    try {
      return await instance.call(async () => {
        if (world.now() > until) throw new Error('deadline exceeded');
        if (world.chance(this.options.rates().refuse)) {
          refused = new AppError('UNAVAILABLE', 'Cloud Build takes no more builds for now.');
          throw refused;
        }
        if (!world.chance(this.options.rates().late)) return this.begin(instance, request);
        // It arrives after its client gave up, or never.
        if (world.chance(0.7)) {
          world.after(world.between(0, until - world.now()), () => this.begin(instance, request));
        }
        throw new Error('deadline exceeded');
      });
    } catch (error) {
      if (error === refused) throw error;
      return null;
    }
  }

  private begin(by: Worker, request: BuildRequest): string {
    const { world } = this;
    const now = world.now();
    const tags = request.tags ?? [];
    const key = tags.find((tag) => tag.startsWith('key-'))?.slice(4) ?? '';
    const end = this.endOf(key);
    const timeoutMs = Number(request.timeout?.seconds ?? Number.POSITIVE_INFINITY) * 1_000;
    const build: SimBuild = {
      id: `build-${this.builds.length}`,
      key,
      attempt: attemptOf(tags),
      by,
      createdAt: now,
      visibleAt: now + world.between(0, this.options.listLagMs),
      endsAt: now + (end.status === 'TIMEOUT' ? timeoutMs : world.between(10_000, 300_000)),
      end,
    };
    this.options.onCreate(
      build,
      this.live().filter((other) => other.key === key),
    );
    this.builds.push(build);
    this.notifyAt(build.endsAt);
    return build.id;
  }

  // Requirements that cannot be installed fail each time; a machine fails now and then.
  private endOf(key: string): Ended {
    const { world } = this;
    const isBroken = this.broken.get(key) ?? world.chance(0.08);
    this.broken.set(key, isBroken);
    if (isBroken) return { status: 'FAILURE', type: 'USER_BUILD_STEP' };
    if (world.chance(0.01)) return { status: 'TIMEOUT', type: '' };
    if (world.chance(0.15)) return { status: 'INTERNAL_ERROR', type: '' };
    if (world.chance(0.05)) return { status: 'FAILURE', type: 'PUSH_FAILED' };
    return { status: 'SUCCESS', type: '' };
  }

  private cancel(id: string): void {
    const build = this.builds.find((each) => each.id === id);
    const at = this.world.now() + this.world.between(0, 5_000);
    if (build === undefined || build.endsAt <= at) return;
    build.endsAt = at;
    build.end = { status: 'CANCELLED', type: '' };
    this.notifyAt(at);
  }

  private notifyAt(at: number): void {
    const { world } = this;
    const copies = world.pick([0, 0, 1, 1, 1, 2]);
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = world.pick([0, 500, 5_000, 60_000]);
      world.after(at - world.now() + delayMs, () => this.options.notify());
    }
  }

  // What a list says may be as old as the lag.
  private observe(build: SimBuild, lagMs: number): CloudBuild {
    const at = this.world.now() - this.world.between(0, Math.min(lagMs, 2_000));
    const hasEnded = build.endsAt <= at;
    return {
      id: build.id,
      attempt: build.attempt,
      status: hasEnded ? build.end.status : 'WORKING',
      createdAt: build.createdAt,
      finishedAt: hasEnded ? build.endsAt : null,
      failure: { type: hasEnded ? build.end.type : '', detail: '' },
      base: null,
    };
  }
}

function isFinal({ status, type }: Ended): boolean {
  return !isLive({ status }) && (type === 'USER_BUILD_STEP' || status === 'TIMEOUT');
}
