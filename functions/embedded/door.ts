import { userInfo } from 'node:os';
import { toErrorBody } from '../../shared/api/error.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { createTokenAuthenticator } from '../adapters/tokens/token-authenticator.ts';
import { createApi } from '../api/create-api.ts';
import type { ProcessWatch } from '../api/process-watch.ts';
import type { CoreDeps } from '../core/deps.ts';
import type { UploadSink } from '../ports/layer-store.ts';
import { systemRandom, VERSION } from '../runtime/system.ts';
import { type DataDir, removeServeFile, writeServeFile } from './data-dir.ts';
import { hostCheck } from './host-check.ts';
import { listen } from './listener.ts';
import type { JobSetting } from './settings.ts';

const RETRY_AFTER_S = '1';
const WATCHING = new Set(['/healthz', '/readyz', '/metrics']);

/** The API behind a bearer token, and the file that says where it is. */
export interface Door {
  readonly address: string;
  /** Requests being answered now, but for those of `touch`; a stream counts until it begins. */
  answering(): number;
  /** Takes the file back and refuses whatever comes, but for /healthz. */
  refuse(): Promise<void>;
  /** Takes `refuse` back. */
  admit(): Promise<void>;
  close(): Promise<void>;
}

/** What a door is made of. */
export interface DoorOptions {
  readonly dir: DataDir;
  readonly deps: CoreDeps;
  readonly instance: string;
  readonly layers: UploadSink;
  readonly host: string;
  readonly port: number;
  readonly token: string;
  /** For whoever starts the service. */
  readonly note: string | null;
  readonly jobs: JobSetting;
  readonly watch: ProcessWatch;
  /** Called at each request that wants something: health, readiness and numbers do not count. */
  readonly touch: () => void;
  /** Ends streams. */
  readonly ending: AbortSignal;
}

/** Refuses to let other machines in without a token of the user's own. Throws AppError SERVE_REFUSED. */
export function refuseOpenBind(host: string, token: string | null): void {
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

/** Listens and says so. Throws AppError SERVE_REFUSED when the address cannot be had. */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const { dir, instance, note, jobs, touch, host, port } = options;
  const app = apiOf(options);
  let answering = 0;
  let refusing = false;
  const listener = await listen(
    async (request) => {
      const path = new URL(request.url).pathname;
      if (refusing && path !== '/healthz') return refusal();
      // Whoever only watches does not keep the service.
      if (WATCHING.has(path)) return app.fetch(request);
      touch();
      answering += 1;
      try {
        return await app.fetch(request);
      } finally {
        answering -= 1;
      }
    },
    { host, port },
  );
  const { address } = listener;
  const tell = () => writeServeFile(dir, { instance, address, note, ...jobs });
  try {
    await tell();
  } catch (error) {
    await listener.close();
    throw error;
  }
  return {
    address,
    answering: () => answering,
    async refuse() {
      refusing = true;
      await removeServeFile(dir);
    },
    async admit() {
      refusing = false;
      await tell();
    },
    close: () => listener.close(),
  };
}

function apiOf({ dir, deps, layers, instance, host, token, watch, ending }: DoorOptions) {
  return createApi({
    deps,
    watch,
    uploads: layers,
    authenticator: createTokenAuthenticator([
      { token, principal: { id: userInfo().username, role: 'admin' } },
    ]),
    service: { version: VERSION, instance, host: 'one-machine' },
    allowedHosts: isLoopback(host) ? ['localhost', '127.0.0.1', '[::1]', host] : null,
    ending,
    check: hostCheck(deps, dir, { isServed: true }),
  });
}

function refusal(): Response {
  const error = new AppError('UNAVAILABLE', 'The service is ending.', {
    hint: 'Ask again: the next command starts a new one.',
  });
  const requestId = systemRandom.id();
  return Response.json(toErrorBody(error, requestId), {
    status: error.status,
    headers: { 'Retry-After': RETRY_AFTER_S, 'X-Request-Id': requestId, Connection: 'close' },
  });
}
