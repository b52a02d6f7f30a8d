import { userInfo } from 'node:os';
import { AppError } from '../../shared/errors/app-error.ts';
import { isDamagedDatabase } from '../../shared/errors/damaged-database.ts';
import { createInterpreterResolver } from '../adapters/local/python.ts';
import { sqliteStoreExists } from '../adapters/local/sqlite/sqlite-database.ts';
import { openSqliteStore, type SqliteStore } from '../adapters/local/sqlite/sqlite-store.ts';
import { createVenvBuilder } from '../adapters/local/venv/venv-builder.ts';
import { createWakeQueue } from '../adapters/local/wake-queue.ts';
import { createTokenAuthenticator } from '../adapters/tokens/token-authenticator.ts';
import { createApi } from '../api/create-api.ts';
import type { CoreDeps } from '../core/deps.ts';
import type { Write } from '../ports/store.ts';
import { SILENT, systemClock, systemRandom, VERSION } from '../runtime/system.ts';
import { dataDirAt } from './data-dir.ts';
import { hostCheck } from './host-check.ts';
import { coreDeps, openLayers, recordsOf } from './parts.ts';
import { laneOf } from './platform-choice.ts';

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
  const layers = await openLayers(dir);
  const deps: CoreDeps = {
    ...coreDeps(store, laneOf('process', 0), SILENT),
    store: { ...readsOf(store), commit: keepNothing },
    layers,
    builder: createVenvBuilder({
      dir: dir.builds,
      interpreter: createInterpreterResolver({ path: undefined }),
      readLayerFile: async () => undefined,
      log: SILENT,
      clock: systemClock,
      environment: {},
    }),
    registry: null,
    platforms: recordsOf(dir),
    queue: createWakeQueue(() => undefined),
    waitOnLane: async () => undefined,
  };
  const token = systemRandom.id();
  const app = createApi({
    deps,
    uploads: null,
    authenticator: createTokenAuthenticator([
      { token, principal: { id: userInfo().username, role: 'admin' } },
    ]),
    service: { version: VERSION, instance: 'offline', host: 'one-machine' },
    allowedHosts: null,
    check: hostCheck(deps, dir, { isServed: false }),
  });
  const changedAt = await lastChangeOf(store);
  return {
    async fetch(request) {
      const headers = new Headers(request.headers);
      headers.set('authorization', `Bearer ${token}`);
      return app.fetch(new Request(request, { headers }));
    },
    statesAsOf: changedAt === 0 ? null : new Date(changedAt),
    close: async () => store.close(),
  };
}

// Who looks at a damaged database is told so by what is read of it.
async function lastChangeOf(store: SqliteStore): Promise<number> {
  try {
    return await store.lastChangeAt();
  } catch (error) {
    if (isDamagedDatabase(error)) return 0;
    throw error;
  }
}

// Derived counts may be computed anew; without a service nobody keeps them. Nothing else may be written.
async function keepNothing(writes: readonly Write[]): Promise<void> {
  if (writes.every(({ key }) => key.collection === 'counts')) return;
  throw new AppError('NO_SERVICE', 'No service is running here; records can only be read.', {
    hint: 'Start it with: caliban serve --detach',
  });
}

function readsOf(store: SqliteStore): Pick<SqliteStore, 'get' | 'list' | 'count'> {
  return {
    get: (keys) => store.get(keys),
    list: (query, params, page) => store.list(query, params, page),
    count: (query, params) => store.count(query, params),
  };
}
