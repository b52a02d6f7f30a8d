import type { CloudBuildClient } from '@google-cloud/cloudbuild/build/src/v1/cloud_build_client.js';
import * as z from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import { attemptOf, type BuildRequest, baseOf, keyTags } from './build-spec.ts';
import { namedExports } from './commonjs-module.ts';
import { lazyClient } from './generated-client.ts';
import { clientOptions, type GoogleEndpoint } from './google-endpoint.ts';
import { GRPC, grpcCodeOf, unavailable, wordsOf } from './google-errors.ts';

/** A build, as far as it is looked at. */
export interface CloudBuild {
  readonly id: string;
  readonly attempt: number;
  readonly status: string;
  /** UTC ms. */
  readonly createdAt: number;
  readonly finishedAt: number | null;
  /** Why it failed, in Cloud Build's kinds and words. */
  readonly failure: { readonly type: string; readonly detail: string };
  /** The base image as asked for. */
  readonly base: string | null;
}

/** The builds of one project and region. All but `create` throw AppError UNAVAILABLE. */
export interface CloudBuilds {
  /** Makes a build: its id, or null when nobody knows whether it was made. Throws AppError BUILD_FAILED, UNAVAILABLE when it was not. */
  create(build: BuildRequest): Promise<string | null>;
  /** The newest builds of a key (at most 100), the newest first. Those of the last seconds may be missing. */
  list(key: string): Promise<readonly CloudBuild[]>;
  get(id: string): Promise<CloudBuild | null>;
  /** Nothing when it is over. */
  cancel(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Which Cloud Build is spoken to. */
export interface CloudBuildPlace {
  readonly projectId: string;
  readonly region: string;
  readonly endpoint: GoogleEndpoint;
  readonly repository: string;
}

const CREATE_MS = 30_000;
const ANSWER_MS = 30_000;
const PAGE = 100;
const ENDED = ['SUCCESS', 'FAILURE', 'INTERNAL_ERROR', 'TIMEOUT', 'CANCELLED', 'EXPIRED'];
// After these a create may have been carried out all the same.
const UNKNOWN_OUTCOME: readonly (number | undefined)[] = [
  GRPC.cancelled,
  GRPC.unknown,
  GRPC.deadlineExceeded,
  GRPC.aborted,
  GRPC.internal,
  GRPC.unavailable,
  GRPC.dataLoss,
];

/** Whether a build has not ended. */
export function isLive({ status }: Pick<CloudBuild, 'status'>): boolean {
  return !ENDED.includes(status);
}

/** Cloud Build over gRPC, with the application default credentials. */
export function createCloudBuilds(place: CloudBuildPlace): CloudBuilds {
  const { projectId, region, endpoint, repository } = place;
  const parent = `projects/${projectId}/locations/${region}`;
  const { opened, close } = lazyClient(() => make(projectId, endpoint));
  const named = (id: string) => ({ projectId, id, name: `${parent}/builds/${id}` });

  return {
    create: async (build) => {
      const request = { projectId, parent, build };
      // Nothing was sent when this fails.
      const client = await asked(opened);
      try {
        const [operation] = await client.createBuild(request, { timeout: CREATE_MS, retry: null });
        return operationSchema.safeParse(operation).data?.metadata.build.id ?? null;
      } catch (error) {
        const code = grpcCodeOf(error);
        if (UNKNOWN_OUTCOME.includes(code)) return null;
        throw code === undefined ? unavailable('Cloud Build', error) : createRefused(error, code);
      }
    },
    list: (key) =>
      asked(async () => {
        const filter = keyTags(repository, key)
          .map((tag) => `tags="${tag}"`)
          .join(' AND ');
        const request = { projectId, parent, filter, pageSize: PAGE };
        const options = { timeout: ANSWER_MS, autoPaginate: false };
        const [builds] = await (await opened()).listBuilds(request, options);
        return builds.map((build) => buildSchema.parse(build)).toSorted(byNewest);
      }),
    get: (id) =>
      asked(async () => {
        const [build] = await (await opened()).getBuild(named(id), { timeout: ANSWER_MS });
        return buildSchema.parse(build);
      }, GRPC.notFound),
    cancel: async (id) => {
      const cancelled = async () => {
        await (await opened()).cancelBuild(named(id), { timeout: ANSWER_MS });
      };
      await asked(cancelled, GRPC.failedPrecondition, GRPC.notFound);
    },
    close,
  };
}

// The client of this one API: the package's own entry loads all versions.
async function make(projectId: string, endpoint: GoogleEndpoint): Promise<CloudBuildClient> {
  const module = await import('@google-cloud/cloudbuild/build/src/v1/cloud_build_client.js');
  const { CloudBuildClient } = namedExports(module, 'CloudBuildClient');
  return new CloudBuildClient(clientOptions(projectId, endpoint));
}

function asked<T>(call: () => Promise<T>): Promise<T>;
function asked<T>(call: () => Promise<T>, ...none: readonly number[]): Promise<T | null>;
async function asked<T>(call: () => Promise<T>, ...none: readonly number[]): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    const code = grpcCodeOf(error);
    if (code !== undefined && none.includes(code)) return null;
    if (code !== GRPC.permissionDenied && code !== GRPC.unauthenticated) {
      throw unavailable('Cloud Build', error);
    }
    throw new AppError('UNAVAILABLE', `Cloud Build refuses this service: ${wordsOf(error)}`, {
      hint: RIGHTS,
      cause: error,
    });
  }
}

function createRefused(error: unknown, code: number): AppError {
  const words = wordsOf(error);
  if (code === GRPC.resourceExhausted) {
    return new AppError('UNAVAILABLE', `Cloud Build takes no more builds for now: ${words}`, {
      hint: 'It is tried again. If it lasts: raise the quota of Cloud Build in that region.',
      cause: error,
    });
  }
  const isRight = code === GRPC.permissionDenied || code === GRPC.unauthenticated;
  return new AppError('BUILD_FAILED', `Cloud Build refuses the build: ${words}`, {
    hint: isRight ? RIGHTS : 'Ask who runs the service to look at its settings of builds.',
    cause: error,
  });
}

const RIGHTS =
  'The service account of the service needs the role roles/cloudbuild.builds.editor on the project, and roles/iam.serviceAccountUser on the account that builds run as.';

function byNewest(a: CloudBuild, b: CloudBuild): number {
  return b.createdAt - a.createdAt;
}

const operationSchema = z.object({
  metadata: z.object({ build: z.object({ id: z.string().min(1) }) }),
});
const time = z
  .object({ seconds: z.coerce.number().nullish(), nanos: z.number().nullish() })
  .transform(({ seconds, nanos }) => (seconds ?? 0) * 1000 + Math.floor((nanos ?? 0) / 1e6));
const buildSchema = z
  .object({
    id: z.string(),
    status: z.string(),
    statusDetail: z.string().nullish(),
    tags: z.array(z.string()).nullish(),
    createTime: time.nullish(),
    finishTime: time.nullish(),
    failureInfo: z.object({ type: z.string().nullish(), detail: z.string().nullish() }).nullish(),
    steps: z.array(z.object({ env: z.array(z.string()).nullish() })).nullish(),
  })
  .transform(
    (build): CloudBuild => ({
      id: build.id,
      attempt: attemptOf(build.tags ?? []),
      status: build.status,
      createdAt: build.createTime ?? 0,
      finishedAt: build.finishTime ?? null,
      failure: {
        type: build.failureInfo?.type ?? '',
        detail: build.failureInfo?.detail || build.statusDetail || '',
      },
      base: baseOf(build.steps?.[0]?.env ?? []),
    }),
  );
