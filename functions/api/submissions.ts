import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import { jobsPage, submissionJobsQuery } from '../../shared/api/jobs.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { planView, submissionSpec, submissionView } from '../../shared/api/submissions.ts';
import { accept } from '../core/accept.ts';
import { requireSubmitter } from '../core/permissions.ts';
import { planSubmission } from '../core/plan.ts';
import { listSubmissionJobs } from '../core/read-jobs.ts';
import { acceptedView, readSubmission } from '../core/read-submissions.ts';
import { BEARER, failures, json, jsonRequest } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { nextCursor, optionalCursor } from './cursor.ts';
import { jsonBody } from './middleware/json-body.ts';
import { idParams } from './parameters.ts';

const TAGS = ['submissions'];

const headers = z.object({
  'Idempotency-Key': z
    .string({
      error:
        'must be a text of your own, another for each submission, as in Idempotency-Key: 7d0c1e5a',
    })
    .regex(
      new RegExp(`^[\\x21-\\x7e]{1,${LIMITS.idempotencyKeyLength}}$`),
      `must have 1 to ${LIMITS.idempotencyKeyLength} printable ASCII characters, without blanks`,
    ),
});

const plan = createRoute({
  method: 'post',
  path: '/v1/plans',
  tags: TAGS,
  security: BEARER,
  middleware: jsonBody,
  summary: 'Everything a submission would do, without doing it',
  request: { body: jsonRequest(submissionSpec) },
  responses: { 200: json(planView, 'The plan.'), ...failures(404, 409, 415, 422) },
});

const submit = createRoute({
  method: 'post',
  path: '/v1/submissions',
  tags: TAGS,
  security: BEARER,
  middleware: jsonBody,
  summary: 'Run experiments',
  description:
    'Answered once the submission is safe, whatever the number of experiments. The same Idempotency-Key and ' +
    'body give the same answer again; the same key with another body is IDEMPOTENCY_MISMATCH.',
  request: { headers, body: jsonRequest(submissionSpec) },
  responses: {
    202: json(submissionView, 'Accepted: the submission as it was at that moment.'),
    ...failures(404, 409, 415, 422),
  },
});

const getSubmission = createRoute({
  method: 'get',
  path: '/v1/submissions/{id}',
  tags: TAGS,
  security: BEARER,
  summary: 'Where a submission stands',
  request: { params: idParams },
  responses: { 200: json(submissionView, 'The submission.'), ...failures(404) },
});

const getSubmissionJobs = createRoute({
  method: 'get',
  path: '/v1/submissions/{id}/jobs',
  tags: TAGS,
  security: BEARER,
  summary: 'Jobs of a submission in one state',
  description: 'For example the failed ones of a submission to a group that has older failures.',
  request: { params: idParams, query: submissionJobsQuery.strict() },
  responses: { 200: json(jobsPage, 'A page of jobs.'), ...failures(404, 422) },
});

/** Routes that plan, accept and show submissions. */
export function addSubmissions(app: Api, { deps }: ApiHost): void {
  app.openapi(plan, async (c) =>
    c.json(await planSubmission(deps, c.get('principal'), c.req.valid('json')), 200),
  );
  app.openapi(submit, async (c) => {
    const principal = c.get('principal');
    requireSubmitter(principal);
    const idempotencyKey = c.req.valid('header')['Idempotency-Key'];
    const accepted = await accept(deps, { principal, idempotencyKey, spec: c.req.valid('json') });
    return c.json(acceptedView(accepted), 202);
  });
  app.openapi(getSubmission, async (c) =>
    c.json(await readSubmission(deps, c.req.valid('param').id), 200),
  );
  app.openapi(getSubmissionJobs, async (c) => {
    const { cursor, limit, state } = c.req.valid('query');
    const after = optionalCursor(cursor, 'number');
    const request = { limit, after, state };
    const { jobs, next } = await listSubmissionJobs(deps, c.req.valid('param').id, request);
    return c.json({ jobs, next: nextCursor(next) }, 200);
  });
}
