import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import { logEvent } from '../../shared/api/events.ts';
import { logQuery } from '../../shared/api/jobs.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { cursorParameter } from '../../shared/api/page.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { followLog, type LogRequest, readLog } from '../core/read-logs.ts';
import { getJob } from '../core/records.ts';
import { ANSWER_HEADERS, BEARER, failures } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { followStream, serverSentEvent, streamComment, type TextSource } from './follow-stream.ts';
import { createHeartbeat } from './heartbeat.ts';
import { LOG_CURSOR_HEADER, LOG_ENDED_HEADER } from './log-cursor-header.ts';
import { idParams } from './parameters.ts';

const EVENT_STREAM = 'text/event-stream';

const headers = z.object({ 'Last-Event-ID': cursorParameter.optional() });

const getLogs = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}/logs',
  tags: ['jobs'],
  security: BEARER,
  summary: 'What a job printed',
  description:
    `Plain text from \`since\` on, at most ${LIMITS.logChunkBytes} bytes; ${LOG_CURSOR_HEADER} is the place behind it, ` +
    'for the next `since`; the same place again means: nothing more by now, and ' +
    `${LOG_ENDED_HEADER} whether more may come. ` +
    'With `follow=true` the text goes on until ' +
    `the job is over, or for ${LIMITS.followMs / 60_000} minutes. Followed with Accept: ${EVENT_STREAM}: event \`log\` ` +
    'with `{"text"}`, its id is the place behind it (resume with Last-Event-ID, or as `since`); at the end event `end` ' +
    'with `{"ended"}`: true when the job is over and its log was told whole. `grep` keeps lines that hold a text.',
  request: { params: idParams, query: logQuery.strict(), headers },
  responses: {
    200: {
      description: 'The log.',
      headers: {
        ...ANSWER_HEADERS,
        [LOG_CURSOR_HEADER]: { schema: { type: 'string' } },
        [LOG_ENDED_HEADER]: { schema: { type: 'string', enum: ['true', 'false'] } },
      },
      content: {
        'text/plain': { schema: z.string() },
        [EVENT_STREAM]: { schema: logEvent },
      },
    },
    ...failures(404, 422),
  },
});

/** The route of a job's log. */
export function addJobLogs(app: Api, host: ApiHost): void {
  app.openapi(getLogs, async (c) => {
    const { id } = c.req.valid('param');
    const { follow, since, grep } = c.req.valid('query');
    const { 'Last-Event-ID': lastEventId } = c.req.valid('header');
    const request = { since: placeIn(id, lastEventId ?? since), grep };
    if (follow === 'false') {
      const piece = await readLog(host.deps, id, request);
      c.header('Content-Type', 'text/plain; charset=utf-8');
      c.header(LOG_CURSOR_HEADER, cursorText(id, piece.next));
      c.header(LOG_ENDED_HEADER, String(piece.ended));
      return c.body(piece.text, 200);
    }
    await getJob(host.deps, id);
    const asEvents = c.req.header('Accept')?.includes(EVENT_STREAM) === true;
    c.header('Content-Type', asEvents ? EVENT_STREAM : 'text/plain; charset=utf-8');
    if (c.req.method === 'HEAD') return c.body(null, 200);
    const source = asEvents ? logEvents(host, id, request) : logText(host, id, request);
    return c.body(followStream(host, source), 200);
  });
}

function logText({ deps }: ApiHost, id: string, request: LogRequest): TextSource {
  return async function* (signal) {
    for await (const { text } of followLog(deps, id, { ...request, signal })) {
      if (text !== '') yield text;
    }
  };
}

function logEvents({ deps }: ApiHost, id: string, request: LogRequest): TextSource {
  return async function* (signal) {
    yield streamComment(`log of ${id}`);
    const beat = createHeartbeat(deps.clock);
    let ended = false;
    for await (const piece of followLog(deps, id, { ...request, signal })) {
      const place = cursorText(id, piece.next);
      const news = piece.text === '' ? '' : serverSentEvent('log', { text: piece.text }, place);
      const text = beat(news);
      if (text !== undefined) yield text;
      ended = piece.ended;
    }
    yield serverSentEvent('end', { ended });
  };
}

// The platform's own cursor, bound to the job it is of.
function cursorText(jobId: string, place: string): string {
  return place === '' ? '' : encodeCursor({ value: place, id: jobId });
}

function placeIn(jobId: string, text: string): string {
  if (text === '') return '';
  const { value, id } = decodeCursor(text, 'string');
  if (id === jobId) return String(value);
  throw new AppError('CURSOR_INVALID', `This cursor is of the log of ${id}, not of ${jobId}.`, {
    hint: 'Leave out since to begin.',
  });
}
