import { availableParallelism } from 'node:os';
import { asDiskError, refuseUnwritable } from './adapters/local/disk-errors.ts';
import { acquireServeLock } from './adapters/local/sqlite/serve-lock.ts';
import { openSqliteStore } from './adapters/local/sqlite/sqlite-store.ts';
import { createWakeQueue } from './adapters/local/wake-queue.ts';
import { createOutboxLoop } from './consumers/outbox-loop.ts';
import type { CoreDeps, LaneSetting } from './core/deps.ts';
import { freeLeases } from './core/lane.ts';
import { type Closers, createClosers } from './embedded/closers.ts';
import { type DataDir, keepToken, makeDataDir } from './embedded/data-dir.ts';
import { openDoor, refuseOpenBind } from './embedded/door.ts';
import { createHandler } from './embedded/handler.ts';
import { createIdleWatch } from './embedded/idle.ts';
import { createLaneSignals, type LaneSignals } from './embedded/lane-signals.ts';
import { sweepLoop, tickLoop } from './embedded/loops.ts';
import { coreDeps, laneOf, openParts } from './embedded/parts.ts';
import { openServiceLog, systemClock, systemRandom } from './embedded/runtime.ts';
import { serveUntilEnd } from './embedded/serve-until-end.ts';
import { createSyncLoop } from './embedded/sync-loop.ts';
import type { Log } from './ports/runtime.ts';

/** How to serve; durations as named. */
export interface ServeOptions {
  readonly dataDir: string;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Null: the best this machine has. */
  readonly platform: 'process' | null;
  /** Jobs at the same time; null: one for each core. */
  readonly slots: number | null;
  /** Ends after so many minutes without a live job or a request; null: never. */
  readonly idleMinutes: number | null;
  /** A given token instead of a generated one: at least 20 printable characters. */
  readonly token: string | null;
  readonly signal: AbortSignal;
}

/** A service that listens. */
export interface RunningServe {
  readonly address: string;
  readonly instance: string;
  readonly tokenFile: string;
  /** The token when it was made by this start, to be shown once; null: the user has it. */
  readonly newToken: string | null;
  /** Resolves when it has ended; jobs that run go on, and the next start finds them. */
  readonly closed: Promise<void>;
}

/**
 * Hosts the whole service in this process: the only kind of process that runs jobs. Holds the directory's lock until it ends, by
 * the signal or by idleness. Throws AppErrors SERVE_REFUSED, SERVICE_LOCKED, DATA_DIR_UNUSABLE,
 * DISK_FULL, SCHEMA_TOO_NEW.
 */
export async function runServe(options: ServeOptions): Promise<RunningServe> {
  refuseOpenBind(options.host, options.token);
  const dir = await makeDataDir(options.dataDir);
  refuseUnwritable(dir.path);
  const lock = acquireServeLock(dir.lock);
  const ending = new AbortController();
  const closers = createClosers();
  closers.add('lock', () => lock.release());
  try {
    return await start({ options, dir, ending, closers });
  } catch (error) {
    ending.abort();
    await closers.closeAll(null);
    throw asDiskError(error, dir.path);
  }
}

interface Start {
  readonly options: ServeOptions;
  readonly dir: DataDir;
  readonly ending: AbortController;
  readonly closers: Closers;
}

async function start({ options, dir, ending, closers }: Start): Promise<RunningServe> {
  const { token, isNew } = await keepToken(dir, options.token);
  const log = openServiceLog(dir.log);
  closers.add('log', () => log.close());
  const lane = laneOf(options.slots ?? availableParallelism());
  const signals = createLaneSignals(systemClock, ending.signal);
  const hooks: Hooks = { wake: () => undefined, hint: () => undefined };
  const { deps, layers } = await openDeps({ dir, closers, log, lane, signals, hooks });
  // The lock says that whoever held a lease is gone.
  await freeLeases(deps, lane);
  const instance = systemRandom.id();
  const outbox = createOutboxLoop(deps, instance, createHandler(deps, signals, ending.signal));
  hooks.wake = outbox.wake;
  const sync = createSyncLoop(deps, lane.id, () => signals.poke(lane.id));
  hooks.hint = sync.hint;
  const minutes = options.idleMinutes ?? Number.POSITIVE_INFINITY;
  const idle = createIdleWatch(deps, minutes, () => outbox.inFlight() + door.answering() > 0);
  const loops: Promise<void>[] = [];
  closers.add('loops', () => Promise.allSettled(loops));
  const door = await openDoor({
    ...{ dir, deps, instance, layers, token, ending: ending.signal },
    ...{ host: options.host, port: options.port, touch: idle.touch },
  });
  closers.add('door', () => door.close());
  loops.push(
    outbox.run(ending.signal),
    sync.run(ending.signal),
    tickLoop(deps, ending.signal),
    sweepLoop(layers, deps, ending.signal),
  );
  const { address } = door;
  log.info({ address, instance, slots: lane.policy.maxActive }, 'serving');
  return {
    address,
    instance,
    tokenFile: dir.tokenFile,
    newToken: isNew ? token : null,
    closed: serveUntilEnd({ signal: options.signal, idle, door, ending, closers, log }),
  };
}

/** What is known only once its other end exists. */
interface Hooks {
  wake: () => void;
  hint: () => void;
}

async function openDeps(from: {
  readonly dir: DataDir;
  readonly closers: Closers;
  readonly log: Log;
  readonly lane: LaneSetting;
  readonly signals: LaneSignals;
  readonly hooks: Hooks;
}) {
  const { dir, closers, log, lane, signals, hooks } = from;
  const store = await openSqliteStore({ path: dir.database, clock: systemClock });
  closers.add('store', () => store.close());
  const slots = lane.policy.maxActive;
  const parts = await openParts({ dir, slots, log, onChange: () => hooks.hint() });
  closers.add('builder', () => parts.builder.close());
  closers.add('platform', () => parts.platform.close());
  const deps: CoreDeps = {
    ...coreDeps(store, lane, log),
    layers: parts.layers,
    builder: parts.builder,
    registry: null,
    platforms: new Map([['process', parts.platform]]),
    queue: createWakeQueue(() => hooks.wake()),
    waitOnLane: signals.wait,
  };
  return { deps, layers: parts.layers };
}
