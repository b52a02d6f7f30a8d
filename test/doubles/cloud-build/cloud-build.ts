import { status } from '@grpc/grpc-js';
import { ApiStatus, notFound } from '../google-api/api-status.ts';
import type { GoogleApi } from '../google-api/google-api.ts';
import type { GoogleMethod } from '../google-api/google-service.ts';
import type { Operation } from '../google-api/operations.ts';
import { encodeAny } from '../google-api/protos.ts';
import type { PutObject } from './build-log.ts';
import { buildOfOperation, checkRouting, namedBuild, newNames, placeOf } from './build-names.ts';
import { type Build, isTerminal } from './build-record.ts';
import { type BuildRecord, type Builds, createBuilds } from './builds.ts';
import { type Executor, pretendExecutor } from './executor.ts';
import { createdMs, type ListBuildsRequest, listBuilds } from './list-builds.ts';
import { newBuild } from './new-build.ts';
import { createNotifications, type Notifications, type Publish } from './notifications.ts';
import type { GetObject } from './run-build.ts';

export interface CloudBuildOptions {
  /** What runs steps; left open. Default: `pretendExecutor`. */
  readonly executor?: Executor;
  /** The topic `cloud-builds`. Default: there is none. */
  readonly publish?: Publish;
  /** Cloud Storage, as builds read their source. Default: it is empty. */
  readonly getObject?: GetObject;
  /** Cloud Storage, as builds write their log. Default: it takes everything and keeps nothing. */
  readonly putObject?: PutObject;
  /** Secret Manager: values by name of the version, as in `projects/p/secrets/s/versions/1`. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** How many builds of one location work at once. Default: 10. */
  readonly concurrentBuilds?: number;
  /** How long builds are PENDING first. Default: not at all. */
  readonly pendingMs?: number;
  /** How long builds are QUEUED at least. Default: 0. */
  readonly queuedMs?: number;
}

/** The double, as tests see it besides its API. */
export interface CloudBuild {
  readonly notifications: Notifications;
  /** `breakNext`, `finished`, `limit`, and the builds themselves. */
  readonly builds: Omit<Builds, 'close' | 'create'>;
  /** From now on lists know nothing of builds younger than this. */
  listLag(ms: number): void;
}

/** Metric of the quota on CreateBuild, for `api.quotas.limit`. The name is this double's own. */
export const CREATE_QUOTA = 'cloudbuild.googleapis.com/create_build_requests';

const CREATES_PER_MINUTE = 600;
const PACKAGE = 'google.devtools.cloudbuild.v1';

interface CreateBuildRequest {
  readonly parent: string;
  readonly projectId: string;
  readonly build: Build | null;
}

interface NamedRequest {
  readonly name: string;
  readonly projectId: string;
  readonly id: string;
}

/** Puts Cloud Build on a server of Google doubles. It ends with the server. */
export function startCloudBuild(api: GoogleApi, options: CloudBuildOptions = {}): CloudBuild {
  const { clock, random } = api;
  const ended = new AbortController();
  const publish = options.publish ?? (async () => {});
  const notifications = createNotifications({ clock, random, publish, signal: ended.signal });
  const { concurrentBuilds = 10, pendingMs = 0, queuedMs = 0, secrets = {} } = options;
  const builds = createBuilds({
    ...{ clock, notifications, secrets, concurrentBuilds, pendingMs, queuedMs },
    executor: options.executor ?? pretendExecutor(clock),
    getObject: options.getObject ?? (async () => undefined),
    putObject: options.putObject ?? (async () => {}),
  });
  const operations = new Map<string, string>();
  let lagMs = 0;

  const create = createMethod({ api, builds, operations, pendingMs });
  const list: GoogleMethod = {
    routing: null,
    handle(request: ListBuildsRequest, call) {
      checkRouting(request.parent, call);
      const place = placeOf(request, api.project);
      const inPlace = builds
        .all()
        .filter((record) => isIn(record, place.project.id, place.location))
        .map(({ build }) => build)
        .filter((build) => createdMs(build) <= clock.now() - lagMs);
      return listBuilds(inPlace, request);
    },
  };
  const methods = { CreateBuild: create, ListBuilds: list, ...namedMethods(api, builds) };
  api.serve({
    proto: 'google/devtools/cloudbuild/v1/cloudbuild.proto',
    name: `${PACKAGE}.CloudBuild`,
    methods,
  });
  api.operations.join((name) => {
    const id = buildOfOperation(name);
    const record = id === undefined ? undefined : builds.find(id);
    return operations.get(name) === undefined || record === undefined
      ? undefined
      : operationOf(name, record.build);
  });
  api.onClose(async () => {
    ended.abort(new Error('the double ends'));
    await builds.close();
    await notifications.settled();
  });
  return {
    notifications,
    builds,
    listLag(ms) {
      lagMs = ms;
    },
  };
}

interface Creating {
  readonly api: GoogleApi;
  readonly builds: Builds;
  readonly operations: Map<string, string>;
  readonly pendingMs: number;
}

function createMethod({ api, builds, operations, pendingMs }: Creating): GoogleMethod {
  return {
    routing: null,
    quota(request: CreateBuildRequest) {
      const { project, location } = placeOf(request, api.project);
      const region = location === 'global' ? null : location;
      const metric = CREATE_QUOTA;
      return { metric, perMinute: CREATES_PER_MINUTE, projectNumber: project.number, region };
    },
    handle(request: CreateBuildRequest, call) {
      checkRouting(request.parent, call);
      const place = placeOf(request, api.project);
      if (request.build === null) {
        throw new ApiStatus(status.INVALID_ARGUMENT, 'invalid build: build must be specified');
      }
      const { operation, ...names } = newNames(place);
      const first = pendingMs > 0 ? 'PENDING' : 'QUEUED';
      const now = api.clock.now();
      const { build, builtIn } = newBuild(request.build, { place, names, now, status: first });
      operations.set(operation, build.id);
      builds.create(build, { location: place.location, builtIn });
      return operationOf(operation, build);
    },
  };
}

function namedMethods(api: GoogleApi, builds: Builds): Record<string, GoogleMethod> {
  const find = (request: NamedRequest): Build => {
    const { project, location, id } = namedBuild(request, api.project);
    const record = builds.find(id);
    if (record === undefined || !isIn(record, project.id, location)) {
      throw notFound('Requested entity was not found.');
    }
    return record.build;
  };
  return {
    GetBuild: {
      routing: null,
      handle(request: NamedRequest, call) {
        checkRouting(request.name, call);
        return find(request);
      },
    },
    CancelBuild: {
      routing: null,
      handle(request: NamedRequest, call) {
        checkRouting(request.name, call);
        const build = find(request);
        if (!isTerminal(build.status)) return builds.cancel(build.id);
        const why = `build ${build.id} cannot be cancelled: it has ended as ${build.status}`;
        throw new ApiStatus(status.FAILED_PRECONDITION, why);
      },
    },
  };
}

function isIn({ build, location }: BuildRecord, projectId: string, place: string): boolean {
  return build.projectId === projectId && location === place;
}

function operationOf(name: string, build: Build): Operation {
  const metadata = encodeAny(`${PACKAGE}.BuildOperationMetadata`, { build });
  if (!isTerminal(build.status)) return { name, done: false, metadata };
  if (build.status !== 'SUCCESS') return { name, done: true, metadata, error: errorOf(build) };
  return { name, done: true, metadata, response: encodeAny(`${PACKAGE}.Build`, build) };
}

function errorOf(build: Build): { readonly code: number; readonly message: string } {
  if (build.status === 'CANCELLED') return { code: status.CANCELLED, message: 'Build cancelled' };
  if (build.status === 'TIMEOUT' || build.status === 'EXPIRED') {
    return { code: status.DEADLINE_EXCEEDED, message: `Build ended as ${build.status}` };
  }
  const message = 'Build failed; check build logs for details';
  return { code: status.UNKNOWN, message };
}
