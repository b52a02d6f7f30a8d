import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { toErrorBody } from '../../shared/api/error.ts';
import type { GroupView, StopView } from '../../shared/api/groups.ts';
import type { ExperimentSummary, JobView } from '../../shared/api/jobs.ts';
import type { RedriveView } from '../../shared/api/redrive.ts';
import type { ServiceView } from '../../shared/api/service.ts';
import type { PlanView, SubmissionSpec, SubmissionView } from '../../shared/api/submissions.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import type { ErrorCode } from '../../shared/errors/catalog.ts';
import { didYouMean } from '../../shared/errors/did-you-mean.ts';
import { isTerminal } from '../../shared/jobs/job-state.ts';
import { aPlan, aService, aSubmission } from './api-views.ts';
import { addLayers } from './fake-layers.ts';

/** What the fake holds; tests fill it and read it. */
export interface FakeState {
  instance: string;
  token: string | null;
  service: ServiceView;
  groups: GroupView[];
  experiments: ExperimentSummary[];
  jobs: JobView[];
  plan: PlanView;
  stop: StopView;
  /** Views that a submission shows, one for each time it is asked for; the last one stays. */
  progress: SubmissionView[];
  logs: Map<string, string>;
  /** Bytes of one plain log answer. */
  logChunk: number;
  /** Whether the log of a job that is over is told to be whole. */
  logEnds: boolean;
  pageSize: number;
  layers: Map<string, Buffer>;
  sessions: Map<string, { total: number; bytes: Buffer }>;
  submissions: { key: string; spec: SubmissionSpec }[];
  stopped: boolean[];
  /** Answers to redrives, one for each time it is asked; and what was asked. */
  redrives: RedriveView[];
  redriven: unknown[];
  /** Method and path (with query) of every request, in order. */
  requests: string[];
  tokens: (string | undefined)[];
  /** Faults by request: `drop` breaks the connection, with a number after so many bytes of an upload. */
  fault: (request: string, count: number) => Fault | undefined;
}

/** What goes wrong with a request. */
export type Fault =
  | 'drop'
  | { readonly dropAfter: number }
  | { readonly code: ErrorCode; readonly headers?: Record<string, string> };

/** A running fake. */
export interface FakeService {
  readonly url: string;
  readonly state: FakeState;
}

/** What handlers of the fake see. */
export type Env = { Bindings: HttpBindings; Variables: { fault: Fault | undefined } };

/** Starts the wire-level double of a service on a free port of this machine. */
export async function startFakeService(
  onTestFinished: (clean: () => Promise<void>) => void,
  given: Partial<FakeState> = {},
): Promise<FakeService> {
  const state = { ...emptyState(), ...given };
  const server = createServer(
    getRequestListener(createApp(state).fetch, { overrideGlobalObjects: false }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => close(server));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, state };
}

function emptyState(): FakeState {
  return {
    instance: 'instance-1',
    token: 'secret',
    service: aService(),
    groups: [],
    experiments: [],
    jobs: [],
    plan: aPlan(),
    stop: { dryRun: true, waiting: 0, active: 0, notCreated: 0, submissions: 0 },
    progress: [aSubmission({ done: true })],
    logs: new Map(),
    logChunk: 1_000,
    logEnds: true,
    pageSize: 1_000,
    layers: new Map(),
    sessions: new Map(),
    submissions: [],
    stopped: [],
    redrives: [],
    redriven: [],
    requests: [],
    tokens: [],
    fault: () => undefined,
  };
}

function createApp(state: FakeState): Hono<Env> {
  const app = new Hono<Env>();
  app.onError((error, c) => {
    const known = error instanceof AppError ? error : new AppError('INTERNAL', String(error.stack));
    const headers = known.context?.['headers'] as Record<string, string> | undefined;
    return c.json(toErrorBody(known, 'request-1'), known.status as 500, headers);
  });
  app.use(async (c, next) => {
    const { pathname, search } = new URL(c.req.url);
    const request = `${c.req.method} ${pathname}${search}`;
    state.requests.push(request);
    const authorization = c.req.header('Authorization');
    state.tokens.push(authorization);
    const fault = state.fault(request, state.requests.filter((line) => line === request).length);
    c.set('fault', fault);
    if (fault === 'drop') c.env.incoming.socket.destroy();
    else if (typeof fault === 'object' && 'code' in fault) {
      throw new AppError(fault.code, `Fault of ${request}.`, {
        context: { headers: fault.headers },
      });
    } else if (
      pathname !== '/healthz' &&
      state.token !== null &&
      authorization !== `Bearer ${state.token}`
    ) {
      throw new AppError('UNAUTHENTICATED', 'The token is not known here.');
    } else await next();
    return undefined;
  });
  app.get('/healthz', (c) => c.json({ status: 'ok', instance: state.instance, version: '0.1.0' }));
  app.get('/v1/service', (c) => c.json(state.service));
  addLayers(app, state);
  addSubmissions(app, state);
  addGroups(app, state);
  addJobs(app, state);
  return app;
}

function addSubmissions(app: Hono<Env>, state: FakeState): void {
  let shown = 0;
  app.post('/v1/plans', (c) => c.json(state.plan));
  app.post('/v1/submissions', async (c) => {
    const key = c.req.header('Idempotency-Key') ?? '';
    state.submissions.push({ key, spec: await c.req.json<SubmissionSpec>() });
    return c.json({ ...(state.progress[0] ?? aSubmission()), done: false }, 202);
  });
  app.get('/v1/submissions/:id', (c) => {
    const view = state.progress[Math.min(shown++, state.progress.length - 1)];
    return c.json(view);
  });
  app.get('/v1/submissions/:id/jobs', (c) => {
    const [id, stage] = [c.req.param('id'), c.req.query('state')];
    const limit = Number(c.req.query('limit') ?? 100);
    const jobs = state.jobs.filter((job) => job.submissionId === id && job.stage === stage);
    return c.json({ jobs: jobs.slice(0, limit), next: jobs.length > limit ? 'next' : null });
  });
}

function addGroups(app: Hono<Env>, state: FakeState): void {
  const find = (reference: string): GroupView => {
    const found = state.groups.find(({ id, name, owner }) =>
      [id, name, `${owner}/${name}`].includes(reference),
    );
    if (found === undefined) {
      const names = state.groups.map(({ name }) => name);
      throw new AppError('GROUP_NOT_FOUND', `xgroup ${reference} not found.`, {
        hint: `Did you mean ${didYouMean(reference, names)}?`,
      });
    }
    return found;
  };
  app.get('/v1/groups', (c) => c.json({ groups: state.groups, next: null }));
  app.get('/v1/groups/:g', (c) => c.json(find(c.req.param('g'))));
  app.post('/v1/admin/redrive', async (c) => {
    state.redriven.push(await c.req.json());
    const view = state.redrives.shift();
    if (view === undefined) throw new AppError('FORBIDDEN', 'eve is no admin of this service.');
    return c.json(view);
  });
  app.post('/v1/groups/:g/stop', async (c) => {
    find(c.req.param('g'));
    const { dryRun } = await c.req.json<{ dryRun: boolean }>();
    state.stopped.push(dryRun);
    return c.json({ ...state.stop, dryRun });
  });
  app.get('/v1/groups/:g/experiments', (c) => {
    const { id } = find(c.req.param('g'));
    const from = Number(c.req.query('cursor') ?? 0);
    const maxJobs = Number(c.req.query('maxJobs') ?? 1);
    const ofGroup = state.experiments.filter(({ group }) => group.id === id);
    const experiments = ofGroup.slice(from, from + state.pageSize).map((experiment) => ({
      ...experiment,
      jobs: state.jobs
        .filter(({ experimentId }) => experimentId === experiment.id)
        .slice(maxJobs === 0 ? state.jobs.length : -maxJobs),
    }));
    const next = from + state.pageSize;
    return c.json({ experiments, next: next < ofGroup.length ? String(next) : null });
  });
}

function addJobs(app: Hono<Env>, state: FakeState): void {
  const find = (id: string): JobView => {
    const found = state.jobs.find((job) => job.id === id);
    if (found === undefined) throw new AppError('JOB_NOT_FOUND', `No job ${id}.`);
    return found;
  };
  app.get('/v1/jobs', (c) => {
    const from = Number(c.req.query('cursor') ?? 0);
    const to = from + Math.min(state.pageSize, Number(c.req.query('limit') ?? 100));
    const jobs = state.jobs.toReversed().slice(from, to);
    const ids = new Set(jobs.map(({ experimentId }) => experimentId));
    return c.json({
      jobs,
      experiments: state.experiments.filter(({ id }) => ids.has(id)),
      next: to < state.jobs.length ? String(to) : null,
    });
  });
  app.get('/v1/jobs/:id', (c) => {
    const job = find(c.req.param('id'));
    const detail = {
      command: [],
      name: null,
      labels: {},
      module: 'm',
      history: [],
      logCommand: '',
      consoleLink: null,
    };
    return c.json({ ...job, ...detail });
  });
  app.get('/v1/jobs/:id/logs', (c) => {
    const job = find(c.req.param('id'));
    const log = Buffer.from(state.logs.get(job.id) ?? '');
    const since = Number(c.req.query('since') ?? 0);
    const fault = c.get('fault');
    if (typeof fault === 'object' && 'dropAfter' in fault) {
      return sendPart(c.env, log.subarray(since, since + fault.dropAfter));
    }
    if (c.req.query('follow') === 'true') {
      // What is written while someone follows; then the job ends and with it the stream.
      const more = Buffer.from(state.logs.get(`${job.id} later`) ?? '');
      state.logs.set(job.id, Buffer.concat([log, more]).toString());
      state.logs.delete(`${job.id} later`);
      if (!isTerminal(job.stage)) Object.assign(job, { stage: 'SUCCEEDED', state: 'SUCCEEDED' });
      return c.body(new Uint8Array(Buffer.concat([log.subarray(since), more])));
    }
    const part = log.subarray(since, since + state.logChunk);
    return c.body(new Uint8Array(part), 200, {
      'X-Caliban-Log-Cursor': String(since + part.length),
      'X-Caliban-Log-Ended': String(state.logEnds && isTerminal(job.stage)),
    });
  });
}

// Promises more than it sends, then breaks the connection.
function sendPart({ outgoing }: HttpBindings, part: Uint8Array): Response {
  outgoing.writeHead(200, { 'Content-Length': part.length + 1 });
  outgoing.write(part, () => outgoing.socket?.destroy());
  return RESPONSE_ALREADY_SENT;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
