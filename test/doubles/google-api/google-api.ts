import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Clock, Random } from '../../../functions/ports/runtime.ts';
import { systemClock } from '../../fixtures/system-clock.ts';
import { seededRandom } from '../seeded-random.ts';
import { answering, type SeenCall } from './answering.ts';
import { type Credentials, startCredentials } from './credentials.ts';
import { createFaults, type Faults } from './faults.ts';
import type { GoogleService } from './google-service.ts';
import { createOperations, type Operations } from './operations.ts';
import { createProjects, type FindProject, type Project, TEST_PROJECT } from './projects.ts';
import { loadService } from './protos.ts';
import { createQuotas, type Quotas } from './quotas.ts';

/** What the doubles stand on: each is `startX(api, options)` and calls `api.serve`. */
export interface GoogleApi {
  /** `127.0.0.1:PORT`: TLS, gRPC. */
  readonly endpoint: string;
  readonly port: number;
  /** Variables that lead Google's libraries here, for this process or a child. */
  readonly environment: {
    readonly GOOGLE_APPLICATION_CREDENTIALS: string;
    readonly GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: string;
  };
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly random: Random;
  readonly faults: Faults;
  readonly quotas: Quotas;
  readonly operations: Operations;
  readonly project: FindProject;
  /** Calls that came in, oldest first (the last 10,000), those that met a fault included. */
  calls(method?: string): readonly SeenCall[];
  /** Adds a service, at any time. */
  serve(service: GoogleService): void;
  /** Runs when the server ends. */
  onClose(end: () => Promise<void> | void): void;
  /** Ends the server and what runs for it; again: nothing more. */
  close(): Promise<void>;
}

export interface GoogleApiOptions {
  /** Default: `TEST_PROJECT`. */
  readonly projects?: readonly Project[];
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: seed 1. */
  readonly random?: Random;
  /** Given: used and left open, so that several servers share a sign-in. Default: its own. */
  readonly credentials?: Credentials;
  /** Port to listen on; default 0, any free one. */
  readonly port?: number;
}

/** Certificate of the test CA, for clients that are told by a file. */
export const CA_FILE = fileURLToPath(new URL('tls/ca.pem', import.meta.url));

/** Starts a gRPC server on 127.0.0.1 over TLS, with a sign-in of its own and no service yet but Operations. */
export async function startGoogleApi(options: GoogleApiOptions = {}): Promise<GoogleApi> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? seededRandom();
  const credentials = options.credentials ?? (await startCredentials(clock));
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 });
  const port = await listen(server, options.port ?? 0);
  const ends: (() => Promise<void> | void)[] = [];
  const seen: SeenCall[] = [];
  const faults = createFaults(random);
  const quotas = createQuotas(clock);
  const operations = createOperations();
  const answer = answering({ clock, faults, quotas, credentials, seen });

  function serve(service: GoogleService): void {
    const definition = loadService(service.proto, service.name);
    const methods = Object.entries(service.methods);
    server.addService(
      definition,
      Object.fromEntries(methods.map(([name, method]) => [name, answer(name, method)])),
    );
  }

  async function close(): Promise<void> {
    server.forceShutdown();
    for (const end of ends) await end();
    if (options.credentials === undefined) await credentials.close();
  }

  let closed: Promise<void> | undefined;
  serve(operations.service);
  return {
    endpoint: `127.0.0.1:${port}`,
    port,
    environment: {
      GOOGLE_APPLICATION_CREDENTIALS: credentials.file,
      GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: CA_FILE,
    },
    credentials,
    clock,
    random,
    faults,
    quotas,
    operations,
    project: createProjects(options.projects ?? [TEST_PROJECT]),
    calls: (method) => seen.filter((call) => method === undefined || call.method === method),
    serve,
    onClose: (end) => void ends.push(end),
    close: () => (closed ??= close()),
  };
}

async function listen(server: Server, port: number): Promise<number> {
  const tls = (name: string) => readFileSync(new URL(`tls/${name}`, import.meta.url));
  const pair = { private_key: tls('server.key'), cert_chain: tls('server.pem') };
  const bind = promisify(server.bindAsync.bind(server));
  return bind(`127.0.0.1:${port}`, ServerCredentials.createSsl(null, [pair]));
}
