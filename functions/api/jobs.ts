import { createRoute } from '@hono/zod-openapi';
import { jobDetail, jobView, recentJobsPage, recentJobsQuery } from '../../shared/api/jobs.ts';
import { listRecentJobs, readJob } from '../core/read-jobs.ts';
import { stopOneJob } from '../core/stop-job.ts';
import { BEARER, failures, json } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { nextCursor, optionalCursor } from './cursor.ts';
import { idParams } from './parameters.ts';

const TAGS = ['jobs'];

const getJobs = createRoute({
  method: 'get',
  path: '/v1/jobs',
  tags: TAGS,
  security: BEARER,
  summary: 'Most recent jobs, and the experiments they belong to',
  description: 'Of your own groups; `owner` names a colleague, `*` everyone.',
  request: { query: recentJobsQuery.strict() },
  responses: { 200: json(recentJobsPage, 'A page of jobs.'), ...failures(422) },
});

const getJob = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}',
  tags: TAGS,
  security: BEARER,
  summary: 'One job with its history, labels and command line',
  request: { params: idParams },
  responses: { 200: json(jobDetail, 'The job.'), ...failures(404) },
});

const stopJob = createRoute({
  method: 'post',
  path: '/v1/jobs/{id}/stop',
  tags: TAGS,
  security: BEARER,
  summary: 'Stop one job',
  description:
    'For who submitted it, the owner of its group, and admins. A job that has ended stays as it is.',
  request: { params: idParams },
  responses: { 200: json(jobView, 'The job as it is now.'), ...failures(404) },
});

/** Routes of jobs, but for their logs. */
export function addJobs(app: Api, { deps }: ApiHost): void {
  app.openapi(getJobs, async (c) => {
    const { cursor, limit, owner, state, platform } = c.req.valid('query');
    const after = optionalCursor(cursor, 'string');
    const whose = owner ?? c.get('principal').id;
    const request = { limit, after, owner: whose, state, platform };
    const { jobs, experiments, next } = await listRecentJobs(deps, request);
    return c.json({ jobs, experiments, next: nextCursor(next) }, 200);
  });
  app.openapi(getJob, async (c) => c.json(await readJob(deps, c.req.valid('param').id), 200));
  app.openapi(stopJob, async (c) =>
    c.json(await stopOneJob(deps, c.get('principal'), c.req.valid('param').id), 200),
  );
}
