import { createRoute } from '@hono/zod-openapi';
import {
  groupsPage,
  groupsQuery,
  groupView,
  stopRequest,
  stopView,
} from '../../shared/api/groups.ts';
import {
  experimentsPage,
  experimentsQuery,
  groupJobsQuery,
  jobsPage,
} from '../../shared/api/jobs.ts';
import { listExperiments } from '../core/read-experiments.ts';
import { listGroups, resolveGroup, viewGroup } from '../core/read-groups.ts';
import { listGroupJobs } from '../core/read-jobs.ts';
import { stopGroup } from '../core/stop-group.ts';
import { BEARER, failures, json, jsonRequest } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { nextCursor, optionalCursor } from './cursor.ts';
import { jsonBody } from './middleware/json-body.ts';
import { groupParams } from './parameters.ts';

const TAGS = ['groups'];

const getGroups = createRoute({
  method: 'get',
  path: '/v1/groups',
  tags: TAGS,
  security: BEARER,
  summary: 'Groups, newest first, with counts of their jobs',
  description: 'Your own; `owner` names a colleague, `*` everyone.',
  request: { query: groupsQuery.strict() },
  responses: { 200: json(groupsPage, 'A page of groups.'), ...failures(422) },
});

const getGroup = createRoute({
  method: 'get',
  path: '/v1/groups/{g}',
  tags: TAGS,
  security: BEARER,
  summary: 'One group with counts of its jobs',
  request: { params: groupParams },
  responses: { 200: json(groupView, 'The group.'), ...failures(404) },
});

const getExperiments = createRoute({
  method: 'get',
  path: '/v1/groups/{g}/experiments',
  tags: TAGS,
  security: BEARER,
  summary: 'Experiments of a group, oldest first, with their newest jobs',
  description: 'With many jobs each, a page has fewer experiments than asked for.',
  request: { params: groupParams, query: experimentsQuery.strict() },
  responses: { 200: json(experimentsPage, 'A page of experiments.'), ...failures(404, 422) },
});

const getGroupJobs = createRoute({
  method: 'get',
  path: '/v1/groups/{g}/jobs',
  tags: TAGS,
  security: BEARER,
  summary: 'Jobs of a group, in the order they were accepted',
  request: { params: groupParams, query: groupJobsQuery.strict() },
  responses: { 200: json(jobsPage, 'A page of jobs.'), ...failures(404, 422) },
});

const stop = createRoute({
  method: 'post',
  path: '/v1/groups/{g}/stop',
  tags: TAGS,
  security: BEARER,
  middleware: jsonBody,
  summary: 'Stop every job of a group; dryRun only tells which',
  description:
    'For the owner of the group and admins. Jobs end in their own time; ask again to see.',
  request: { params: groupParams, body: jsonRequest(stopRequest) },
  responses: {
    200: json(stopView, 'What the stop reaches.'),
    ...failures(404, 415),
  },
});

/** Routes of groups. `{g}` is a name of the caller's own, OWNER%2FNAME, or an id. */
export function addGroups(app: Api, { deps }: ApiHost): void {
  app.openapi(getGroups, async (c) => {
    const { cursor, limit, owner } = c.req.valid('query');
    const after = optionalCursor(cursor, 'number');
    const whose = owner ?? c.get('principal').id;
    const { groups, next } = await listGroups(deps, { limit, after, owner: whose });
    return c.json({ groups, next: nextCursor(next) }, 200);
  });
  app.openapi(getGroup, async (c) => {
    const group = await resolveGroup(deps, c.get('principal'), c.req.valid('param').g);
    return c.json(await viewGroup(deps, group), 200);
  });
  app.openapi(getExperiments, async (c) => {
    const { cursor, limit, maxJobs, facet } = c.req.valid('query');
    const after = optionalCursor(cursor, 'string');
    const group = await resolveGroup(deps, c.get('principal'), c.req.valid('param').g);
    const request = { limit, after, maxJobs, facet };
    const { experiments, next } = await listExperiments(deps, group, request);
    return c.json({ experiments, next: nextCursor(next) }, 200);
  });
  app.openapi(getGroupJobs, async (c) => {
    const { cursor, limit, state, platform, facet } = c.req.valid('query');
    const after = optionalCursor(cursor, 'string');
    const group = await resolveGroup(deps, c.get('principal'), c.req.valid('param').g);
    const request = { limit, after, state, platform, facet };
    const { jobs, next } = await listGroupJobs(deps, group, request);
    return c.json({ jobs, next: nextCursor(next) }, 200);
  });
  app.openapi(stop, async (c) => {
    const principal = c.get('principal');
    const group = await resolveGroup(deps, principal, c.req.valid('param').g);
    const { dryRun } = c.req.valid('json');
    return c.json(await stopGroup(deps, { principal, group, dryRun }), 200);
  });
}
