import type * as z from 'zod';
import { type CheckPage, checkPage } from '../../shared/api/check.ts';
import {
  type GroupView,
  groupsPage,
  groupView,
  type StopView,
  stopView,
} from '../../shared/api/groups.ts';
import {
  experimentsPage,
  type JobDetail,
  jobDetail,
  jobsPage,
  recentJobsPage,
} from '../../shared/api/jobs.ts';
import {
  layerCompleted,
  type layerDeclaration,
  layersChecked,
  uploadSession,
} from '../../shared/api/layers.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { type RedriveKind, type RedriveView, redriveView } from '../../shared/api/redrive.ts';
import { type ServiceView, serviceView } from '../../shared/api/service.ts';
import {
  type PlanView,
  planView,
  type SubmissionSpec,
  type SubmissionView,
  submissionView,
} from '../../shared/api/submissions.ts';
import type { JobState } from '../../shared/jobs/job-state.ts';
import { type Remote, requestJson, requestStream } from './request.ts';

/** A page of a list: where it goes on, and how long it is. */
export interface PageAt {
  readonly cursor?: string | undefined;
  readonly limit?: number;
}

/** The service's routes, typed by the schemas of shared/api. Every method throws what `requestJson` throws. */
export interface Client {
  readonly remote: Remote;
  service(): Promise<ServiceView>;
  checkLayers(diffIds: readonly string[]): Promise<z.infer<typeof layersChecked>['layers']>;
  openUpload(declaration: z.infer<typeof layerDeclaration>): Promise<string>;
  completeUpload(diffId: string): Promise<z.infer<typeof layerCompleted>>;
  plan(spec: SubmissionSpec): Promise<PlanView>;
  /** The same key and spec give the same submission, however often they are sent. */
  submit(spec: SubmissionSpec, idempotencyKey: string): Promise<SubmissionView>;
  submission(id: string): Promise<SubmissionView>;
  groups(page: PageAt & { readonly owner?: string }): Promise<z.infer<typeof groupsPage>>;
  /** By id, the caller's own by name, or OWNER/NAME. */
  group(reference: string): Promise<GroupView>;
  experiments(
    groupId: string,
    page: PageAt & { readonly maxJobs: number },
  ): Promise<z.infer<typeof experimentsPage>>;
  submissionJobs(
    id: string,
    page: PageAt & { readonly state: JobState },
  ): Promise<z.infer<typeof jobsPage>>;
  recentJobs(page: PageAt): Promise<z.infer<typeof recentJobsPage>>;
  stopGroup(groupId: string, dryRun: boolean): Promise<StopView>;
  job(id: string): Promise<JobDetail>;
  /** A part of the check of all records; with `layers` it reads their bytes too, which takes long. */
  check(at: { readonly cursor: string | undefined; readonly layers: boolean }): Promise<CheckPage>;
  /** Tries again what the service gave up, a part of it; with `dryRun` counts it. */
  redrive(request: {
    readonly dryRun: boolean;
    readonly kind?: RedriveKind | undefined;
  }): Promise<RedriveView>;
  /** The log's text from a cursor on; header X-Caliban-Log-Cursor is the place behind what a plain answer holds. */
  logs(id: string, at: { readonly since: string; readonly follow: boolean }): Promise<Response>;
}

/** The header with the place in a log behind the answer. */
export const LOG_CURSOR_HEADER = 'X-Caliban-Log-Cursor';

/** Whether the log of a job that is over ends there; lines of a cloud's log come a little late. */
export const LOG_ENDED_HEADER = 'X-Caliban-Log-Ended';

/** A client of one service. */
export function createClient(remote: Remote): Client {
  return { remote, ...sending(remote), ...reading(remote) };
}

type Sending =
  | 'checkLayers'
  | 'openUpload'
  | 'completeUpload'
  | 'plan'
  | 'submit'
  | 'stopGroup'
  | 'redrive';

function sending(remote: Remote): Pick<Client, Sending> {
  const post = <T>(path: string, body: unknown, answer: z.ZodType<T>): Promise<T> =>
    requestJson(remote, { method: 'POST', path, body, answer, repeatable: true });
  return {
    checkLayers: async (diffIds) =>
      (await post('/v1/layers/check', { diffIds }, layersChecked)).layers,
    openUpload: async (declaration) =>
      (await post('/v1/layers', declaration, uploadSession)).uploadUrl,
    completeUpload: (diffId) => post(`/v1/layers/${diffId}/complete`, {}, layerCompleted),
    plan: (spec) => post('/v1/plans', spec, planView),
    submit: (spec, idempotencyKey) =>
      requestJson(remote, {
        method: 'POST',
        path: '/v1/submissions',
        body: spec,
        answer: submissionView,
        idempotencyKey,
      }),
    stopGroup: (groupId, dryRun) =>
      post(`/v1/groups/${encode(groupId)}/stop`, { dryRun }, stopView),
    redrive: (request) => post('/v1/admin/redrive', request, redriveView),
  };
}

function reading(remote: Remote): Omit<Client, Sending | 'remote'> {
  const get = <T>(path: string, answer: z.ZodType<T>, query = {}): Promise<T> =>
    requestJson(remote, { method: 'GET', path, query, answer });
  return {
    service: () => get('/v1/service', serviceView),
    submission: (id) => get(`/v1/submissions/${encode(id)}`, submissionView),
    groups: (page) => get('/v1/groups', groupsPage, page),
    group: (reference) => get(`/v1/groups/${encode(reference)}`, groupView),
    experiments: (groupId, page) =>
      get(`/v1/groups/${encode(groupId)}/experiments`, experimentsPage, page),
    submissionJobs: (id, page) => get(`/v1/submissions/${encode(id)}/jobs`, jobsPage, page),
    recentJobs: (page) => get('/v1/jobs', recentJobsPage, page),
    job: (id) => get(`/v1/jobs/${encode(id)}`, jobDetail),
    check: (query) =>
      requestJson(remote, {
        method: 'GET',
        path: '/v1/admin/check',
        query,
        answer: checkPage,
        deadlineMs: LIMITS.uploadMs,
      }),
    logs: (id, { since, follow }) =>
      requestStream(remote, `/v1/jobs/${encode(id)}/logs`, {
        since: since === '' ? undefined : since,
        follow: follow ? true : undefined,
      }),
  };
}

const encode = encodeURIComponent;
