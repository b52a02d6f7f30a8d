import * as z from 'zod';

// Server-sent events as objects of their fields: this is how OpenAPI describes a stream, event by event.

/** An event of `GET /v1/groups/{g}/events`. */
export const groupEvent = z
  .union([
    z.object({
      event: z.literal('job'),
      id: z.string(),
      data: jsonText({ $ref: '#/components/schemas/Job' }),
    }),
    z.object({
      event: z.literal('counts'),
      data: jsonText({ $ref: '#/components/schemas/Counts' }),
    }),
  ])
  .meta({ id: 'GroupEvent' });

/** An event of a followed log. */
export const logEvent = z
  .union([
    z.object({ event: z.literal('log'), id: z.string(), data: jsonText(field('text', 'string')) }),
    z.object({ event: z.literal('end'), data: jsonText(field('ended', 'boolean')) }),
  ])
  .meta({ id: 'LogEvent' });

function jsonText(contentSchema: object) {
  return z.string().meta({ contentMediaType: 'application/json', contentSchema });
}

function field(name: string, type: 'string' | 'boolean') {
  return { type: 'object', properties: { [name]: { type } }, required: [name] };
}
