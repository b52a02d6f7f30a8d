import { createRoute } from '@hono/zod-openapi';
import { healthView, readyView } from '../../shared/api/service.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { findNotReady, type NotReady } from '../core/readiness.ts';
import { remember } from '../core/remembered.ts';
import { json, publicFailures } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';

const TAGS = ['operations'];

const healthz = createRoute({
  method: 'get',
  path: '/healthz',
  tags: TAGS,
  summary: 'Whether the process answers, and which one it is',
  responses: { 200: json(healthView, 'It does.'), ...publicFailures() },
});

const readyz = createRoute({
  method: 'get',
  path: '/readyz',
  tags: TAGS,
  summary: 'Whether the service can take work',
  description:
    'Its store answers, its loops turn, its data can be written; else 503, and `context.notReady` names what is not ready. Found out at most once a second.',
  responses: { 200: json(readyView, 'It can.'), ...publicFailures() },
});

/** However many ask: each look costs a read. */
const KEEP_READY_MS = 1_000;

/** Routes for those who operate the service; without a token. */
export function addOperations(app: Api, { deps, service, watch }: ApiHost): void {
  const find = () => findNotReady(deps, watch.checks);
  const notReady = remember(deps.clock, () => KEEP_READY_MS, find);
  app.openapi(healthz, (c) =>
    c.json({ status: 'ok' as const, instance: service.instance, version: service.version }, 200),
  );
  app.openapi(readyz, async (c) => {
    const { value } = await notReady();
    if (value.length > 0) throw unready(value);
    return c.json({ status: 'ready' as const }, 200);
  });
}

function unready(parts: readonly NotReady[]): AppError {
  const told = parts.map(({ part, message }) => `the ${part} ${message}`).join('; ');
  return new AppError('UNAVAILABLE', `Not ready: ${told}.`, {
    hint: 'Its log says more; docs/operating.md says what to do.',
    context: { notReady: parts.map(({ part }) => part) },
  });
}
