import { availableParallelism } from 'node:os';
import type { LogLevel } from '../shared/operating/log-level.ts';
import { asDiskError, refuseUnwritable } from './adapters/local/disk-errors.ts';
import { acquireServeLock } from './adapters/local/sqlite/serve-lock.ts';
import { openSqliteStore, type SqliteStore } from './adapters/local/sqlite/sqlite-store.ts';
import { createWakeQueue } from './adapters/local/wake-queue.ts';
import { createOutboxLoop } from './consumers/outbox-loop.ts';
import type { CoreDeps, LaneSetting } from './core/deps.ts';
import { freeClaims } from './core/free-claims.ts';
import { freeLeases } from './core/lane.ts';
import { type Closers, createClosers } from './embedded/closers.ts';
import { type DataDir, keepToken, makeDataDir } from './embedded/data-dir.ts';
import { littleRoom } from './embedded/disk-room.ts';
import { openDoor, refuseOpenBind } from './embedded/door.ts';
import { isUnused, missingFolders, takeBack } from './embedded/first-start.ts';
import { createHandler } from './embedded/handler.ts';
import { createIdleWatch } from './embedded/idle.ts';
import { createLaneSignals, type LaneSignals } from './embedded/lane-signals.ts';
import { sweepLoop, tickLoop } from './embedded/loops.ts';
import { coreDeps, openLayers, openRunningParts, platformsOf } from './embedded/parts.ts';
import {
  choosePlatform,
  type LocalPlatform,
  laneOf,
  livingPlatform,
  type PlatformWish,
} from './embedded/platform-choice.ts';
import { createProcessWatch } from './embedded/process-watch.ts';
import { serveUntilEnd } from './embedded/serve-until-end.ts';
import { openServiceLog } from './embedded/service-log.ts';
import {
  type BuildSettings,
  checkCaBundle,
  type JobLimits,
  type JobSetting,
} from './embedded/settings.ts';
import { createSyncLoop } from './embedded/sync-loop.ts';
import type { Log } from './ports/runtime.ts';
import { secretsOfUrl } from './runtime/secrets.ts';
import { systemClock, systemRandom, VERSION } from './runtime/system.ts';

/** How to serve; durations as named. */
export interface ServeOptions {
  readonly dataDir: string;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Null: the best this machine has. */
  readonly platform: LocalPlatform | null;
  /** Flags given that only containers honour, as typed. */
  readonly onlyDocker: readonly string[];
  readonly builds: BuildSettings;
  readonly limits: JobLimits;
  /** Jobs at the same time; null: one for each core. */
  readonly slots: number | null;
  /** Ends after so many minutes without a live job or a request; null: never. */
  readonly idleMinutes: number | null;
  /** A given token instead of a generated one: at least 20 printable characters. */
  readonly token: string | null;
  /** What its log keeps; default `info`. */
  readonly logLevel?: LogLevel;
  readonly signal: AbortSignal;
}

/** A service that listens. */
export interface RunningServe extends JobSetting {
  readonly address: string;
  readonly instance: string;
  readonly tokenFile: string;
  /** A line each: why jobs run where they do, when nobody asked for it and it is not obvious; that there is little room. */
  readonly note: string | null;
  /** The token when it was made by this start, to be shown once; null: the user has it. */
  readonly newToken: string | null;
  /** Resolves when it has ended; jobs that run go on, and the next start finds them. */
  readonly closed: Promise<void>;
}

/**
 * Hosts the whole service in this process: the only kind of process that runs jobs. Holds the directory's lock until it ends, by
 * the signal or by idleness. One that cannot start leaves nothing in a directory that was not used before. Throws AppErrors
 * SERVE_REFUSED, SERVICE_LOCKED, DATA_DIR_UNUSABLE, DISK_FULL, SCHEMA_TOO_NEW.
 */
export async function runServe(options: ServeOptions): Promise<RunningServe> {
  refuseOpenBind(options.host, options.token);
  await checkCaBundle(options.builds);
  const made = await missingFolders(options.dataDir);
  const dir = await makeDataDir(options.dataDir);
  refuseUnwritable(dir.path);
  const lock = acquireServeLock(dir.lock);
  const ending = new AbortController();
  const closers = createClosers();
  closers.add('lock', () => lock.release());
  let isRefused = false;
  try {
    // Closed after everything else, before the lock goes.
    if (await isUnused(dir.path)) closers.add('new', () => isRefused && takeBack(dir.path, made));
    return await start({ options, dir, ending, closers });
  } catch (error) {
    isRefused = true;
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
  const { logLevel: level = 'info' } = options;
  const secrets = [token, ...secretsOfUrl(options.builds.indexUrl)];
  const log = openServiceLog({ path: dir.log, level, secrets });
  closers.add('log', () => log.close());
  const store = await openSqliteStore({ path: dir.database, clock: systemClock });
  closers.add('store', () => store.close());
  const { platform, note: why } = await choosePlatform(await wishOf(options, store));
  const room = await littleRoom(dir.path);
  const note = joined(why, room);
  const lane = laneOf(platform, options.slots ?? availableParallelism());
  const jobs: JobSetting = { platform, slots: lane.policy.maxActive, limits: options.limits };
  const signals = createLaneSignals(systemClock, ending.signal);
  const hooks: Hooks = { wake: () => undefined, hint: () => undefined };
  const { deps, layers } = await openDeps({
    options,
    dir,
    closers,
    log,
    store,
    lane,
    signals,
    hooks,
  });
  // The lock says that whoever held a lease or a claim is gone, and nobody else makes jobs on this machine's platform.
  await freeLeases(deps, lane);
  await freeClaims(deps, lane.id);
  const instance = systemRandom.id();
  const outbox = createOutboxLoop(deps, instance, createHandler(deps, signals, ending.signal));
  hooks.wake = outbox.wake;
  const sync = createSyncLoop(deps, lane.id, () => signals.poke(lane.id));
  hooks.hint = sync.hint;
  const minutes = options.idleMinutes ?? Number.POSITIVE_INFINITY;
  const idle = createIdleWatch(deps, minutes, () => outbox.inFlight() + door.answering() > 0);
  const watch = createProcessWatch({
    ...{ dataDir: dir.path, clock: systemClock, log, outbox, sync },
  });
  closers.add('watch', () => watch.close());
  const loops: Promise<void>[] = [];
  closers.add('loops', () => Promise.allSettled(loops));
  const door = await openDoor({
    ...{ dir, deps, instance, layers, token, note, jobs, watch, ending: ending.signal },
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
  log.info({ address, instance, version: VERSION, ...jobs, note: why, logLevel: level }, 'serving');
  if (room !== null) log.warn({ dataDir: dir.path }, room);
  return {
    ...{ address, instance, ...jobs, note, tokenFile: dir.tokenFile },
    newToken: isNew ? token : null,
    closed: serveUntilEnd({ signal: options.signal, idle, door, ending, closers, log }),
  };
}

function joined(...lines: readonly (string | null)[]): string | null {
  const said = lines.filter((line) => line !== null);
  return said.length === 0 ? null : said.join('\n');
}

async function wishOf(options: ServeOptions, store: SqliteStore): Promise<PlatformWish> {
  const { platform, onlyDocker, builds } = options;
  return {
    asked: platform,
    onlyDocker,
    living: await livingPlatform(store),
    probe: async () => (await import('./embedded/docker-parts.ts')).probe(builds),
  };
}

/** What is known only once its other end exists. */
interface Hooks {
  wake: () => void;
  hint: () => void;
}

async function openDeps(from: {
  readonly options: ServeOptions;
  readonly dir: DataDir;
  readonly closers: Closers;
  readonly log: Log;
  readonly store: SqliteStore;
  readonly lane: LaneSetting & { readonly platform: LocalPlatform };
  readonly signals: LaneSignals;
  readonly hooks: Hooks;
}) {
  const { options, dir, closers, log, store, lane, signals, hooks } = from;
  const { builds, limits } = options;
  const layers = await openLayers(dir);
  const { builder, registry, platform } = await openRunningParts(lane.platform, {
    ...{ dir, builds, limits, log, layers, slots: lane.policy.maxActive },
    onChange: () => hooks.hint(),
  });
  closers.add('builder', () => builder.close());
  closers.add('registry', () => registry?.close());
  closers.add('platform', () => platform.close());
  const deps: CoreDeps = {
    ...coreDeps(store, lane, log),
    layers,
    builder,
    registry,
    platforms: platformsOf(dir, platform),
    queue: createWakeQueue(() => hooks.wake()),
    waitOnLane: signals.wait,
  };
  return { deps, layers };
}
