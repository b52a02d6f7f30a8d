import { OpenAPIHono } from '@hono/zod-openapi';
import { LIMITS } from '../../shared/api/limits.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { HostCheck } from '../core/check/check-records.ts';
import type { CoreDeps } from '../core/deps.ts';
import type { Authenticator } from '../ports/authenticator.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { UploadSink } from '../ports/layer-store.ts';
import { addAdminCheck } from './admin-check.ts';
import { addAdminRedrive } from './admin-redrive.ts';
import type { Api, ApiEnv, ApiHost, ServiceIdentity } from './api-host.ts';
import { addBuilds } from './builds.ts';
import { addDescription } from './description.ts';
import { answerError, errorAnswer } from './error-answer.ts';
import { createFollowers } from './followers.ts';
import { addGroupEvents } from './group-events.ts';
import { addGroups } from './groups.ts';
import { addJobLogs } from './job-logs.ts';
import { addJobs } from './jobs.ts';
import { addLayers } from './layers.ts';
import { addMethodAnswers } from './method-answers.ts';
import { addMetrics } from './metrics.ts';
import { allowedHosts } from './middleware/allowed-hosts.ts';
import { authenticate } from './middleware/authenticate.ts';
import { deadline } from './middleware/deadline.ts';
import { requestFrame } from './middleware/request-frame.ts';
import { addOperations } from './operations.ts';
import { NOTHING_WATCHED, type ProcessWatch } from './process-watch.ts';
import { refuseInvalid } from './refuse-invalid.ts';
import { addService } from './service.ts';
import { addSubmissions } from './submissions.ts';
import { addUploads } from './uploads.ts';

/** What the API is made of. */
export interface ApiOptions {
  readonly deps: CoreDeps;
  /** Takes layer bytes on this host; null: the layer store names another place for them. */
  readonly uploads: UploadSink | null;
  readonly authenticator: Authenticator;
  readonly service: ServiceIdentity;
  /** Host names (without port) it answers to besides loopback; null: all of them, behind a front end that checks. */
  readonly allowedHosts: readonly string[] | null;
  /** What this host knows of its process; default: nothing. */
  readonly watch?: ProcessWatch;
  /** The service ends: so does every stream. */
  readonly ending?: AbortSignal;
  /** What this host adds to the check of the records; default: nothing, and both looks at once, as if nobody wrote. */
  readonly check?: HostCheck;
  /** What the queue gave up, where it keeps messages; default: there is no such thing. */
  readonly deadLetters?: DeadLetters;
}

/** The HTTP API, version 1: a hono app that knows its own OpenAPI description. */
export function createApi(options: ApiOptions): Api {
  const { deps, uploads, service } = options;
  const app: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result, c) => refuseInvalid(app, result, c),
  });
  const host: ApiHost = {
    deps,
    uploads,
    service,
    followers: createFollowers(LIMITS.followers),
    watch: options.watch ?? NOTHING_WATCHED,
    ending: options.ending ?? null,
  };
  app.onError(errorAnswer(deps.log));
  app.notFound((c) => answerError(c, routeNotFound(c.req.method, c.req.path)));
  app.use(requestFrame(deps));
  if (options.allowedHosts !== null) app.use(allowedHosts(options.allowedHosts));
  for (const path of ['/v1/*', '/metrics']) {
    app.use(path, authenticate(options.authenticator), deadline(deps.clock));
  }
  addRoutes(app, host);
  addAdminCheck(app, host, options.check ?? { stages: [], pauseMs: 0 });
  addAdminRedrive(app, host, options.deadLetters ?? null);
  addMethodAnswers(app);
  return app;
}

function addRoutes(app: Api, host: ApiHost): void {
  addOperations(app, host);
  addMetrics(app, host);
  addService(app, host);
  addLayers(app, host);
  if (host.uploads !== null) addUploads(app, host.uploads);
  addSubmissions(app, host);
  addGroups(app, host);
  addGroupEvents(app, host);
  addJobs(app, host);
  addJobLogs(app, host);
  addBuilds(app, host);
  addDescription(app, host);
}

function routeNotFound(method: string, path: string): AppError {
  return new AppError('ROUTE_NOT_FOUND', `There is no ${method} ${path.slice(0, 200)}.`, {
    hint: 'The routes are at /docs.',
  });
}
