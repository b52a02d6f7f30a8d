import { availableParallelism, userInfo } from 'node:os';
import { LIMITS } from '../shared/api/limits.ts';
import { AppError } from '../shared/errors/app-error.ts';
import { openDiskLayerStore } from './adapters/local/layers/disk-layer-store.ts';
import { extractLayer } from './adapters/local/layers/extract-layer.ts';
import { createOfflinePlatform } from './adapters/local/process/offline-platform.ts';
import { openProcessPlatform } from './adapters/local/process/process-platform.ts';
import { createInterpreterResolver } from './adapters/local/python.ts';
import { acquireServeLock } from './adapters/local/sqlite/serve-lock.ts';
import { sqliteStoreExists } from './adapters/local/sqlite/sqlite-database.ts';
import { openSqliteStore, type SqliteStore } from './adapters/local/sqlite/sqlite-store.ts';
import { createTokenAuthenticator } from './adapters/local/token-authenticator.ts';
import { createVenvBuilder } from './adapters/local/venv/venv-builder.ts';
import { createWakeQueue } from './adapters/local/wake-queue.ts';
import { createApi } from './api/create-api.ts';
import { consume } from './consumers/consume.ts';
import { createOutboxLoop } from './consumers/outbox-loop.ts';
import { createConfigCache } from './core/config-cache.ts';
import type { CoreDeps, LaneSetting } from './core/deps.ts';
import { freeLeases } from './core/lane.ts';
import { tick } from './core/tick.ts';
import { DEFAULT_TIMING } from './core/timing.ts';
import {
  type DataDir,
  dataDirAt,
  keepToken,
  makeDataDir,
  removeServeFile,
  writeServeFile,
} from './embedded/data-dir.ts';
import { createIdleWatch } from './embedded/idle.ts';
import { createLaneSignals } from './embedded/lane-signals.ts';
import { listen } from './embedded/listener.ts';
import {
  environment,
  openServiceLog,
  systemClock,
  systemRandom,
  VERSION,
} from './embedded/runtime.ts';
import { createSyncLoop } from './embedded/sync-loop.ts';
import type { UploadSink } from './ports/layer-store.ts';
import type { Platform } from './ports/platform.ts';
import type { Log } from './ports/runtime.ts';

const TICK_MS = 5_000;
const SWEEP_MS = 3_600_000;
const LANE = 'this-machine';

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
  /** A given token instead of a generated one. */
  readonly token: string | null;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A service that listens. */
export interface RunningServe {
  readonly address: string;
  readonly instance: string;
  readonly tokenFile: string;
  /** Resolves when it has ended; jobs that run go on, and the next start finds them. */
  readonly closed: Promise<void>;
}

/**
 * Hosts the whole service in this process: the only kind of process that runs jobs. Holds the directory's lock until it ends, by
 * the signal or by idleness. Throws AppErrors SERVE_REFUSED, SERVICE_LOCKED, DATA_DIR_UNUSABLE, SCHEMA_TOO_NEW.
 */
export async function runServe(options: ServeOptions): Promise<RunningServe> {
  refuseOpenBind(options);
  const dir = await makeDataDir(options.dataDir);
  const lock = acquireServeLock(dir.lock);
  const ending = new AbortController();
  const closers: (() => unknown)[] = [() => lock.release()];
  try {
    return await start({ options, dir, ending, closers });
  } catch (error) {
    ending.abort();
    await closeAll(closers);
    throw error;
  }
}

function refuseOpenBind({ host, token }: ServeOptions): void {
  if (isLoopback(host) || token !== null) return;
  throw new AppError(
    'SERVE_REFUSED',
    `Listening on ${host} would let other machines in, and no token was given.`,
    {
      hint: 'Give one with --token, or leave out --host to stay on this machine.',
    },
  );
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

interface Start {
  readonly options: ServeOptions;
  readonly dir: DataDir;
  readonly ending: AbortController;
  /** What was opened, to be closed in reverse order. */
  readonly closers: (() => unknown)[];
}

async function start({ options, dir, ending, closers }: Start): Promise<RunningServe> {
  const log = openServiceLog(dir.log);
  closers.push(() => log.close());
  const store = await openSqliteStore({ path: dir.database, clock: systemClock });
  closers.push(() => store.close());
  const instance = systemRandom.id();
  const signals = createLaneSignals(systemClock, ending.signal);
  const hooks: { wake: () => void; hint: () => void } = {
    wake: () => undefined,
    hint: () => undefined,
  };
  const slots = options.slots ?? availableParallelism();
  const lane: LaneSetting = {
    id: LANE,
    platform: 'process',
    policy: { ratePerMinute: null, maxActive: slots },
  };
  const parts = await openParts({ dir, slots, log, onChange: () => hooks.hint() });
  closers.push(
    () => parts.platform.close(),
    () => parts.builder.close(),
  );
  const deps: CoreDeps = {
    ...coreDeps(store, lane, log),
    layers: parts.layers,
    builder: parts.builder,
    platforms: new Map([['process', parts.platform]]),
    queue: createWakeQueue(() => hooks.wake()),
    waitOnLane: signals.wait,
  };
  // The lock says that whoever held a lease is gone.
  await freeLeases(deps, lane);
  const outbox = createOutboxLoop(deps, instance, async (message) => {
    if (message.kind === 'drain') signals.poke(message.lane);
    await consume(deps, message);
  });
  hooks.wake = outbox.wake;
  const sync = createSyncLoop(deps, lane.id, () => signals.poke(lane.id));
  hooks.hint = sync.hint;
  const idle = createIdleWatch(
    deps,
    options.idleMinutes ?? Number.POSITIVE_INFINITY,
    () => outbox.inFlight() > 0,
  );
  const { address } = await openDoor({
    options,
    dir,
    deps,
    instance,
    closers,
    layers: parts.layers,
    touch: idle.touch,
  });
  const loops = [
    outbox.run(ending.signal),
    sync.run(ending.signal),
    tickLoop(deps, ending.signal),
    sweepLoop(parts.layers, log, ending.signal),
  ];
  closers.push(() => settle(ending, loops));
  log.info({ address, instance, slots }, 'serving');
  return {
    address,
    instance,
    tokenFile: dir.tokenFile,
    closed: untilEnd({ options, idle, ending, closers, log }),
  };
}

interface Door {
  readonly options: ServeOptions;
  readonly dir: DataDir;
  readonly deps: CoreDeps;
  readonly instance: string;
  readonly layers: UploadSink;
  readonly closers: (() => unknown)[];
  readonly touch: () => void;
}

// The API behind a bearer token, and the file that says where it is.
async function openDoor({
  options,
  dir,
  deps,
  instance,
  layers,
  closers,
  touch,
}: Door): Promise<{ readonly address: string }> {
  const { token, isNew } = await keepToken(dir, options.token);
  const app = createApi({
    deps,
    uploads: layers,
    authenticator: createTokenAuthenticator([
      { token, principal: { id: userInfo().username, role: 'admin' } },
    ]),
    service: { version: VERSION, instance, host: 'one-machine' },
    allowedHosts: isLoopback(options.host)
      ? ['localhost', '127.0.0.1', '[::1]', options.host]
      : null,
  });
  const answer = (request: Request) => {
    if (!request.url.endsWith('/healthz')) touch();
    return app.fetch(request);
  };
  const listener = await listen(answer, { host: options.host, port: options.port });
  closers.push(() => listener.close());
  const { address } = listener;
  await writeServeFile(dir, { instance, address });
  closers.push(() => removeServeFile(dir));
  if (isNew) {
    options.log(
      `New token. From another shell of this machine:\n  export CALIBAN_ENDPOINT=${address} CALIBAN_TOKEN=${token}`,
    );
  }
  return { address };
}

// Exactly what does not depend on how jobs run here.
function coreDeps(store: SqliteStore, lane: LaneSetting, log: Log) {
  return {
    store,
    lanes: [lane],
    defaultPlatform: lane.platform,
    clock: systemClock,
    random: systemRandom,
    log,
    timing: DEFAULT_TIMING,
    chunkSize: LIMITS.chunkExperiments,
    configs: createConfigCache(),
  };
}

async function openParts(from: { dir: DataDir; slots: number; log: Log; onChange: () => void }) {
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

function openLayers(dir: DataDir) {
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

async function tickLoop(deps: CoreDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await tick(deps).catch((error: unknown) =>
      deps.log.error({ error: String(error) }, 'tick failed'),
    );
    await deps.clock.sleep(TICK_MS, signal).catch(() => undefined);
  }
}

// Uploads that nobody finished.
async function sweepLoop(
  layers: { sweep(now: number): Promise<number> },
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await layers
      .sweep(systemClock.now())
      .catch((error: unknown) => log.error({ error: String(error) }, 'sweep failed'));
    await systemClock.sleep(SWEEP_MS, signal).catch(() => undefined);
  }
}

async function settle(ending: AbortController, loops: readonly Promise<unknown>[]): Promise<void> {
  ending.abort();
  await Promise.allSettled(loops);
}

async function untilEnd(run: {
  options: ServeOptions;
  idle: { run(signal: AbortSignal): Promise<void> };
  ending: AbortController;
  closers: (() => unknown)[];
  log: Log;
}): Promise<void> {
  const { options, idle, ending, closers, log } = run;
  const asked = new Promise<void>((resolve) => {
    if (options.signal.aborted) resolve();
    options.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const isIdle = idle
    .run(ending.signal)
    .then(() => (ending.signal.aborted ? new Promise<void>(() => undefined) : undefined));
  await Promise.race([asked, isIdle]);
  log.info({}, options.signal.aborted ? 'ending: asked to' : 'ending: idle');
  await closeAll(closers);
}

async function closeAll(closers: (() => unknown)[]): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
}

/** The service's routes in this process: reads only; nothing is drained, nothing written. */
export interface OfflineService {
  fetch(request: Request): Promise<Response>;
  /** When a service last wrote here; null when none ever did. */
  readonly statesAsOf: Date | null;
  close(): Promise<void>;
}

/** Opens a data directory without a running service; null when there are no records. */
export async function openOffline(dataDir: string): Promise<OfflineService | null> {
  const dir = dataDirAt(dataDir);
  if (!sqliteStoreExists(dir.database)) return null;
  const store = await openSqliteStore({ path: dir.database, clock: systemClock, readOnly: true });
  const lane: LaneSetting = {
    id: LANE,
    platform: 'process',
    policy: { ratePerMinute: null, maxActive: 0 },
  };
  const platform: Platform = createOfflinePlatform(dir.platform);
  const layers = await openLayers(dir);
  const deps: CoreDeps = {
    ...coreDeps(store, lane, {
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
    }),
    // Derived counts may be computed anew; without a service nobody keeps them.
    store: { ...readsOf(store), commit: async () => undefined },
    layers,
    builder: createVenvBuilder({
      dir: dir.builds,
      interpreter: createInterpreterResolver({ path: undefined }),
      readLayerFile: async () => undefined,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      environment: {},
    }),
    platforms: new Map([['process', platform]]),
    queue: createWakeQueue(() => undefined),
    waitOnLane: async () => undefined,
  };
  const token = systemRandom.id();
  const app = createApi({
    deps,
    uploads: null,
    authenticator: createTokenAuthenticator([
      { token, principal: { id: userInfo().username, role: 'viewer' } },
    ]),
    service: { version: VERSION, instance: 'offline', host: 'one-machine' },
    allowedHosts: null,
  });
  const newest = await store.list('recentJobs', {}, { limit: 1 });
  return {
    async fetch(request) {
      const headers = new Headers(request.headers);
      headers.set('authorization', `Bearer ${token}`);
      return app.fetch(new Request(request, { headers }));
    },
    statesAsOf: newest.items[0] === undefined ? null : new Date(newest.items[0].changedAt),
    close: async () => store.close(),
  };
}

function readsOf(store: SqliteStore): Pick<SqliteStore, 'get' | 'list' | 'count'> {
  return {
    get: (keys) => store.get(keys),
    list: (query, params, page) => store.list(query, params, page),
    count: (query, params) => store.count(query, params),
  };
}
