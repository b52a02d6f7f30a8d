import { LIMITS } from '../../shared/api/limits.ts';
import { type HostedSettings, readHostedSettings } from '../../shared/config/hosted-settings.ts';
import { createJobLogs } from '../adapters/gcp/cloud-logging.ts';
import { createFirestoreStore } from '../adapters/gcp/firestore-store.ts';
import { createGcsLayerStore } from '../adapters/gcp/gcs-layer-store.ts';
import { createOidcCaller } from '../adapters/gcp/oidc-caller.ts';
import { createPubSubDeadLetters } from '../adapters/gcp/pubsub-dead-letters.ts';
import { createPubSubQueue } from '../adapters/gcp/pubsub-queue.ts';
import { vertexLaneId } from '../adapters/gcp/vertex-lane.ts';
import { createVertexPlatform } from '../adapters/gcp/vertex-platform.ts';
import { createDigestAuthenticator } from '../adapters/tokens/token-authenticator.ts';
import { createConfigCache } from '../core/config-cache.ts';
import type { CoreDeps, LaneSetting } from '../core/deps.ts';
import { createMeters } from '../core/meters.ts';
import type { Authenticator } from '../ports/authenticator.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Log } from '../ports/runtime.ts';
import { environment, systemClock, systemRandom } from '../runtime/system.ts';
import { createHostedLog } from './hosted-log.ts';
import { HOSTED_TIMING } from './hosted-timing.ts';
import { imageParts } from './image-parts.ts';

/** Everything that the functions of a hosted service share. */
export interface HostedService {
  readonly deps: CoreDeps;
  readonly authenticator: Authenticator;
  readonly deadLetters: DeadLetters;
  /** Refuses whoever is not the service's own identity for pushes and ticks. */
  readonly caller: (authorization: string | undefined) => Promise<void>;
  /** Removes uploads that nobody finished; see the layer store. */
  sweepUploads(now: number): Promise<number>;
}

let opened: HostedService | undefined;

/** The service of this instance, made once. Nothing is loaded or asked of Google before it is needed. Throws AppError SETTINGS_INVALID. */
export function theHostedService(): HostedService {
  opened ??= openHostedService(readHostedSettings(environment()['CALIBAN_SETTINGS']));
  return opened;
}

/** The dependencies of one handling, which ends with its signal. */
export function depsUntil(deps: CoreDeps, signal: AbortSignal): CoreDeps {
  return {
    ...deps,
    async waitOnLane(_, ms) {
      signal.throwIfAborted();
      if (ms > 0) await deps.clock.sleep(ms, signal);
    },
  };
}

function openHostedService(settings: HostedSettings): HostedService {
  const log = createHostedLog(settings.logLevel);
  const clock = systemClock;
  const { layersBucket, callers, tokens } = settings;
  const projectId = settings.project;
  const layers = createGcsLayerStore({
    ...{ projectId, clock, log, bucket: layersBucket, endpoint: settings.endpoints.storage },
    limits: {
      maxBlobBytes: LIMITS.layerBlobBytes,
      maxUncompressedBytes: LIMITS.layerUncompressedBytes,
      maxEntries: LIMITS.layerEntries,
    },
  });
  const pubsub = { projectId, topicPrefix: settings.topicPrefix, endpoint: null };
  const lanes = lanesOf(settings);
  const deps: CoreDeps = {
    store: createFirestoreStore({ projectId, databaseId: settings.database }),
    queue: createPubSubQueue(pubsub),
    layers,
    ...imageParts(settings, { layers, log }),
    platforms: new Map([['vertex', vertexOf(settings, log)]]),
    lanes,
    defaultPlatform: 'vertex',
    clock,
    random: systemRandom,
    log,
    meters: createMeters(),
    timing: HOSTED_TIMING,
    chunkSize: LIMITS.chunkExperiments,
    configs: createConfigCache(),
    waitOnLane: (_, ms) => clock.sleep(ms),
  };
  return {
    deps,
    authenticator: createDigestAuthenticator(
      tokens.map(({ sha256, principal: id, role }) => ({ sha256, principal: { id, role } })),
    ),
    deadLetters: createPubSubDeadLetters({ ...pubsub, clock }),
    caller: createOidcCaller({ ...callers, fetch, clock }),
    sweepUploads: (now) => layers.sweep(now),
  };
}

function lanesOf({ vertex }: HostedSettings): readonly LaneSetting[] {
  const { projects, regions, ratePerMinute, maxActive } = vertex;
  return projects.flatMap((project) =>
    regions.map((region) => ({
      id: vertexLaneId(project, region),
      platform: 'vertex' as const,
      policy: { ratePerMinute, maxActive },
      place: { project, region },
    })),
  );
}

function vertexOf({ project, instance, images, vertex, endpoints }: HostedSettings, log: Log) {
  const shared = { projectId: project, clock: systemClock, log };
  return createVertexPlatform({
    ...shared,
    allowedProjects: vertex.projects,
    regions: vertex.regions,
    endpoint: endpoints.vertex,
    instanceLabel: instance,
    repository: images.repository,
    serviceAccount: vertex.serviceAccount,
    network: vertex.network,
    outputDirectory: vertex.outputDirectory,
    timeoutMs: vertex.timeoutSeconds * 1_000,
    scheduling: vertex.scheduling,
    logs: createJobLogs({ ...shared, endpoint: endpoints.logging }),
  });
}
