import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import { groupEvent } from '../../shared/api/events.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { cursorParameter } from '../../shared/api/page.ts';
import { followGroup, type GroupNews } from '../core/follow-group.ts';
import { resolveGroup } from '../core/read-groups.ts';
import type { GroupDoc } from '../ports/documents.ts';
import type { Cursor } from '../ports/store.ts';
import { ANSWER_HEADERS, BEARER, failures } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { encodeCursor, optionalCursor } from './cursor.ts';
import { followStream, serverSentEvent, streamComment, type TextSource } from './follow-stream.ts';
import { createHeartbeat } from './heartbeat.ts';
import { groupParams } from './parameters.ts';

const headers = z.object({ 'Last-Event-ID': cursorParameter.optional() });

const getEvents = createRoute({
  method: 'get',
  path: '/v1/groups/{g}/events',
  tags: ['groups'],
  security: BEARER,
  summary: 'Jobs of a group as they change (server-sent events)',
  description:
    'First every job as it is, then each change. Event `job`: a Job, its id is the place to resume from ' +
    '(Last-Event-ID). Event `counts`: the Counts of the group, when they changed. A comment comes at least each ' +
    `15 seconds. The stream ends after ${LIMITS.followMs / 60_000} minutes; resume it.`,
  request: { params: groupParams, headers },
  responses: {
    200: {
      description: 'Events, each described as an object of its fields.',
      headers: ANSWER_HEADERS,
      content: { 'text/event-stream': { schema: groupEvent } },
    },
    ...failures(404, 422),
  },
});

/** The route that streams what happens in a group. */
export function addGroupEvents(app: Api, host: ApiHost): void {
  app.openapi(getEvents, async (c) => {
    const after = optionalCursor(c.req.valid('header')['Last-Event-ID'], 'number');
    const group = await resolveGroup(host.deps, c.get('principal'), c.req.valid('param').g);
    c.header('Content-Type', 'text/event-stream');
    if (c.req.method === 'HEAD') return c.body(null, 200);
    return c.body(followStream(host, events(host, group, after)), 200);
  });
}

function events({ deps }: ApiHost, group: GroupDoc, after: Cursor | undefined): TextSource {
  return async function* (signal) {
    yield streamComment(`group ${group.id}`);
    const beat = createHeartbeat(deps.clock);
    const format = createFormat();
    for await (const news of followGroup(deps, group, { after, signal })) {
      const text = beat(format(news));
      if (text !== undefined) yield text;
    }
  };
}

function createFormat(): (news: GroupNews) => string {
  let told = '';
  return ({ jobs, counts }) => {
    const changed = jobs.map(({ job, at }) => serverSentEvent('job', job, encodeCursor(at)));
    const { at: _, ...numbers } = counts;
    const now = JSON.stringify(numbers);
    if (now !== told) changed.push(serverSentEvent('counts', counts));
    told = now;
    return changed.join('');
  };
}
