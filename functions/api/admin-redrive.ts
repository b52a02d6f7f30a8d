import { createRoute } from '@hono/zod-openapi';
import { REDRIVE_KINDS, redriveRequest, redriveView } from '../../shared/api/redrive.ts';
import { requireAdmin } from '../core/permissions.ts';
import { redrive } from '../core/redrive.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Message } from '../ports/message.ts';
import { BEARER, failures, json, jsonRequest } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { jsonBody } from './middleware/json-body.ts';

// The two lists hold the same: shared knows no ports.
REDRIVE_KINDS satisfies readonly Message['kind'][];

const postRedrive = createRoute({
  method: 'post',
  path: '/v1/admin/redrive',
  tags: ['operations'],
  security: BEARER,
  middleware: jsonBody,
  summary: 'Try again what the service gave up; dryRun only counts it',
  description:
    'For admins. Messages that failed ten times are put aside, and what the queue cannot deliver becomes a dead letter. ' +
    'Repeatable: at worst something is done once more, which changes nothing. Ask again while `more` is true.',
  request: { body: jsonRequest(redriveRequest) },
  responses: { 200: json(redriveView, 'What is tried again.'), ...failures(415) },
});

/** The route that tries again what was given up. `deadLetters` is null where the queue keeps no messages. */
export function addAdminRedrive(
  app: Api,
  { deps }: ApiHost,
  deadLetters: DeadLetters | null,
): void {
  app.openapi(postRedrive, async (c) => {
    const principal = c.get('principal');
    requireAdmin(principal);
    const { dryRun, kind = null } = c.req.valid('json');
    const redriven = await redrive(deps, deadLetters, { kind, dryRun });
    if (!dryRun) deps.log.info({ principal: principal.id, kind, ...redriven }, 'redrive');
    return c.json({ dryRun, ...redriven }, 200);
  });
}
