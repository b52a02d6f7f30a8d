import { createHash, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { provisionPubSub } from '../../../functions/adapters/gcp/pubsub-provision.ts';
import { pubSubTopology } from '../../../functions/adapters/gcp/pubsub-topology.ts';
import { startFirestoreEmulator } from '../../fixtures/firestore-emulator.ts';
import { startRegistry } from '../../fixtures/loopback-registry.ts';
import { startPubSubEmulator } from '../../fixtures/pubsub-emulator.ts';
import { type CloudBuild, startCloudBuild } from '../cloud-build/cloud-build.ts';
import type { Executor as BuildExecutor } from '../cloud-build/executor.ts';
import { startCloudLogging } from '../cloud-logging/cloud-logging.ts';
import { type CloudStorageDouble, startCloudStorage } from '../cloud-storage/cloud-storage.ts';
import { type GoogleApi, startGoogleApi } from '../google-api/google-api.ts';
import { TEST_PROJECT } from '../google-api/projects.ts';
import { startOidcProvider } from '../oidc-provider/oidc-provider.ts';
import { type PushFate, type RelayedPush, startPushRelay } from '../push-relay/push-relay.ts';
import type { Executor as JobExecutor } from '../vertex/executor.ts';
import { startVertex, type Vertex } from '../vertex/vertex.ts';
import { buildTopic } from './build-topic.ts';
import { type Closers, createClosers } from './closers.ts';
import {
  type FunctionName,
  type FunctionProcess,
  type LostFunction,
  startFunction,
} from './function-process.ts';
import { type LocalSettings, localSettings } from './local-settings.ts';
import { startScheduler } from './scheduler.ts';

/** A Google Cloud of this machine, and the hosted service in it. */
export interface LocalCloud {
  /** Where the CLI finds the API, and a token of an admin. */
  readonly endpoint: string;
  readonly token: string;
  readonly registry: string;
  readonly api: GoogleApi;
  readonly vertex: Vertex;
  readonly cloudBuild: CloudBuild;
  readonly storage: CloudStorageDouble;
  /** Ticks at once; the status of the answer. */
  tick(): Promise<number>;
  /** Deliveries to the worker so far, with the status of each answer. */
  pushes(): readonly { readonly path: string; readonly status: number }[];
  /** Resolves when one of the functions ends by itself; else never. */
  readonly lost: Promise<LostFunction>;
  close(): Promise<void>;
}

/** How it is. */
export interface LocalCloudOptions {
  /** For logs and what the parts keep; made when it is not there. */
  readonly dir: string;
  /** The folder that `npm run build` makes: `dist/hosted`. */
  readonly folder: string;
  /** Between two ticks; null: only when asked. */
  readonly tickMs: number | null;
  /** What runs jobs, and build steps. Default: they are pretended. */
  readonly jobs?: JobExecutor;
  readonly builds?: (registry: string, repository: string) => Promise<BuildExecutor>;
  readonly pushFate?: (push: RelayedPush) => PushFate;
  /** Changes of the service's settings. */
  readonly settings?: (defaults: LocalSettings) => LocalSettings;
  /** How long Vertex's lists lag behind; default 0. */
  readonly listLagMs?: number;
}

const AUDIENCE = 'https://caliban.local';
const CALLER = 'push@local-cloud.iam.gserviceaccount.com';
const TOPIC_PREFIX = 'caliban';
const BUCKETS = { layers: 'caliban-layers', builds: 'caliban-builds', logs: 'caliban-logs' };

/** Starts everything: Google's emulators, the doubles, a registry, and the four functions. Needs what the parts need. */
export async function startLocalCloud(options: LocalCloudOptions): Promise<LocalCloud> {
  const closers = createClosers();
  try {
    return await start(options, closers);
  } catch (error) {
    await closers.closeAll().catch(() => undefined);
    throw error;
  }
}

async function start(options: LocalCloudOptions, { add, closeAll }: Closers): Promise<LocalCloud> {
  await mkdir(options.dir, { recursive: true });
  const parts = await startParts(options, add);
  const { api, storage, registry, pubsub } = parts;
  const doubles = await startDoubles(options, parts, add);
  const token = randomBytes(24).toString('hex');
  const functions = await startFunctions(options, environmentOf(options, parts, token), add);
  const authorization = async () =>
    `Bearer ${await parts.oidc.idToken({ aud: AUDIENCE, email: CALLER })}`;
  const fate = options.pushFate === undefined ? {} : { fate: options.pushFate };
  const toWorker = await add(
    startPushRelay({ target: functions.worker.url, authorization, ...fate }),
  );
  const toBuilds = await add(startPushRelay({ target: functions.builds.url, authorization }));
  // The libraries of Google read where the emulator is from here.
  process.env['PUBSUB_EMULATOR_HOST'] = pubsub.host;
  await provisionPubSub(
    { projectId: TEST_PROJECT.id, endpoint: null },
    pubSubTopology({
      ...{ topicPrefix: TOPIC_PREFIX, base: toWorker.url },
      ...{ serviceAccount: CALLER, audience: AUDIENCE },
    }),
  );
  await doubles.topic.provision(`${toBuilds.url}/internal/build-events`);
  const url = `${functions.tick.url}/internal/tick`;
  const scheduler = await add(startScheduler({ url, authorization, everyMs: options.tickMs }));
  return {
    endpoint: functions.api.url,
    ...{ token, registry: registry.host, api, storage },
    ...{ vertex: doubles.vertex, cloudBuild: doubles.cloudBuild },
    tick: () => scheduler.tick(),
    pushes: () => toWorker.delivered,
    lost: Promise.race(Object.values(functions).map((each) => each.lost)),
    close: closeAll,
  };
}

async function startParts({ dir }: LocalCloudOptions, add: Closers['add']) {
  const [firestore, pubsub, storage, api, oidc, registry] = await Promise.all([
    add(startFirestoreEmulator(dir)),
    add(startPubSubEmulator()),
    add(startCloudStorage({ buckets: Object.values(BUCKETS) })),
    add(startGoogleApi()),
    add(startOidcProvider()),
    add(startRegistry(dir)),
  ]);
  return { firestore, pubsub, storage, api, oidc, registry };
}

type Parts = Awaited<ReturnType<typeof startParts>>;

async function startDoubles(
  options: LocalCloudOptions,
  { api, pubsub, storage, registry }: Parts,
  add: Closers['add'],
) {
  const vertex = startVertex(api, {
    logging: startCloudLogging(api),
    listLagMs: options.listLagMs ?? 0,
    ...(options.jobs === undefined ? {} : { executor: options.jobs }),
  });
  const executor =
    options.builds === undefined
      ? undefined
      : await options.builds(registry.host, repositoryIn(registry.host));
  if (executor !== undefined) add(executor);
  const topic = buildTopic({ host: pubsub.host, projectId: TEST_PROJECT.id });
  const cloudBuild = startCloudBuild(api, {
    publish: topic.publish,
    getObject: async (bucket, name) => storedIn(storage, { bucket, name }),
    putObject: async (bucket, name, bytes) => storage.control.put(bucket, name, { bytes }),
    ...(executor === undefined ? {} : { executor }),
  });
  return { vertex, cloudBuild, topic };
}

function repositoryIn(registry: string): string {
  return `${registry}/${TEST_PROJECT.id}/caliban`;
}

function environmentOf(
  options: LocalCloudOptions,
  { api, firestore, pubsub, storage, oidc, registry }: Parts,
  token: string,
): Readonly<Record<string, string>> {
  const defaults = localSettings({
    tokenSha256: createHash('sha256').update(token).digest('hex'),
    repository: repositoryIn(registry.host),
    issuer: oidc.issuer,
    buckets: BUCKETS,
    ...{ audience: AUDIENCE, caller: CALLER, topicPrefix: TOPIC_PREFIX },
    endpoints: { storage: storage.url, google: api.endpoint },
  });
  return {
    ...api.environment,
    CALIBAN_SETTINGS: JSON.stringify(options.settings?.(defaults) ?? defaults),
    FIRESTORE_EMULATOR_HOST: firestore.host,
    PUBSUB_EMULATOR_HOST: pubsub.host,
    METADATA_SERVER_DETECTION: 'none',
  };
}

async function startFunctions(
  { folder, dir }: LocalCloudOptions,
  environment: Readonly<Record<string, string>>,
  add: Closers['add'],
) {
  const run = (name: FunctionName): Promise<FunctionProcess> =>
    add(startFunction({ name, folder, environment, logs: dir }));
  const all = { api: run('api'), worker: run('worker'), builds: run('builds'), tick: run('tick') };
  await Promise.all(Object.values(all));
  return {
    api: await all.api,
    worker: await all.worker,
    builds: await all.builds,
    tick: await all.tick,
  };
}

function storedIn(
  { control }: CloudStorageDouble,
  { bucket, name }: { readonly bucket: string; readonly name: string },
) {
  const object = control.object(bucket, name);
  return object === undefined
    ? undefined
    : { bytes: object.bytes, generation: String(object.generation) };
}
