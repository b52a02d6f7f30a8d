import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import { buildView } from '../../shared/api/builds.ts';
import { readBuild, readBuildLog } from '../core/read-builds.ts';
import { ANSWER_HEADERS, BEARER, failures, json } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { LOG_CURSOR_HEADER } from './log-cursor-header.ts';
import { idParams } from './parameters.ts';

const TAGS = ['builds'];

const logQuery = z.strictObject({
  since: z
    .string()
    .regex(/^[0-9]{1,15}$/, `must be a place that ${LOG_CURSOR_HEADER} gave`)
    .default('0'),
});

const getBuild = createRoute({
  method: 'get',
  path: '/v1/builds/{id}',
  tags: TAGS,
  security: BEARER,
  summary: 'How preparing dependencies goes',
  request: { params: idParams },
  responses: { 200: json(buildView, 'The build.'), ...failures(404) },
});

const getBuildLogs = createRoute({
  method: 'get',
  path: '/v1/builds/{id}/logs',
  tags: TAGS,
  security: BEARER,
  summary: 'What a build printed',
  description: `Plain text from \`since\` on; ${LOG_CURSOR_HEADER} is the place behind it.`,
  request: { params: idParams, query: logQuery },
  responses: {
    200: {
      description: 'The log.',
      headers: {
        ...ANSWER_HEADERS,
        [LOG_CURSOR_HEADER]: {
          required: true,
          schema: { type: 'string', pattern: '^[0-9]{1,15}$' },
        },
      },
      content: { 'text/plain': { schema: z.string() } },
    },
    ...failures(404),
  },
});

/** Routes of builds: what dependencies are prepared by. */
export function addBuilds(app: Api, { deps }: ApiHost): void {
  app.openapi(getBuild, async (c) => c.json(await readBuild(deps, c.req.valid('param').id), 200));
  app.openapi(getBuildLogs, async (c) => {
    const since = Number(c.req.valid('query').since);
    const { text, next } = await readBuildLog(deps, c.req.valid('param').id, since);
    c.header(LOG_CURSOR_HEADER, String(next));
    return c.text(text, 200);
  });
}
