import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import { checkPage } from '../../shared/api/check.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { createReadLayers } from '../core/check/check-layer-bytes.ts';
import type { CheckPosition } from '../core/check/check-part.ts';
import { checkRecords, type HostCheck } from '../core/check/check-records.ts';
import type { Difference } from '../core/check/difference.ts';
import { requireAdmin } from '../core/permissions.ts';
import { BEARER, failures, json } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';

/** Where the check is; layers are read to their end, so it may take longer than other answers. */
export const ADMIN_CHECK_PATH = '/v1/admin/check';

const MAX_CURSOR = 2_000;

const query = z.strictObject({
  cursor: z.string().min(1).max(MAX_CURSOR).optional(),
  layers: z.enum(['true', 'false']).default('false').meta({
    description: 'Whether to read the bytes of every layer too.',
  }),
});

const getCheck = createRoute({
  method: 'get',
  path: ADMIN_CHECK_PATH,
  tags: ['operations'],
  security: BEARER,
  summary: 'Recount everything that is kept, and tell what differs',
  description:
    'For admins. Changes nothing. Each answer is a part: send `next` as `cursor`, with the same `layers`, until it is null. ' +
    'What differs is looked at twice, some seconds apart where a service runs.',
  request: { query },
  responses: { 200: json(checkPage, 'A part of the check.'), ...failures(422) },
});

/** Routes for those who keep a service. */
export function addAdminCheck(app: Api, { deps }: ApiHost, host: HostCheck): void {
  const read = createReadLayers(deps.clock);
  app.openapi(getCheck, async (c) => {
    requireAdmin(c.get('principal'));
    const { cursor, layers } = c.req.valid('query');
    const request = { at: positionAt(cursor), layerBytes: layers === 'true' };
    const part = await checkRecords(deps, { ...host, read }, request);
    const next = part.next === undefined ? null : encoded(part.next);
    return c.json({ differences: part.differences.map(shown), looked: part.looked, next }, 200);
  });
}

function shown({ basis: _, ...view }: Difference): Omit<Difference, 'basis'> {
  return view;
}

const wire = z.strictObject({
  stage: z.string().max(40),
  after: z
    .array(z.union([z.number(), z.string().max(600)]))
    .max(6)
    .nullable(),
});

function encoded(position: CheckPosition): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

function positionAt(cursor: string | undefined): CheckPosition | undefined {
  if (cursor === undefined) return undefined;
  const parsed = wire.safeParse(parse(cursor));
  if (parsed.success && encoded(parsed.data) === cursor) return parsed.data;
  throw new AppError(
    'CURSOR_INVALID',
    `${JSON.stringify(cursor.slice(0, 40))} is no cursor here.`,
    {
      hint: 'Send `next` of an answer to the same question, or none to begin.',
    },
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return undefined;
  }
}
