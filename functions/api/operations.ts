import { createRoute } from '@hono/zod-openapi';
import { healthView, readyView } from '../../shared/api/service.ts';
import { AppError } from '../../shared/errors/app-error.ts';
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
  summary: 'Whether the service can reach its store',
  responses: { 200: json(readyView, 'It can.'), ...publicFailures() },
});

/** Routes for those who operate the service; without a token. */
export function addOperations(app: Api, { deps, service }: ApiHost): void {
  app.openapi(healthz, (c) =>
    c.json({ status: 'ok' as const, instance: service.instance, version: service.version }, 200),
  );
  app.openapi(readyz, async (c) => {
    try {
      await deps.store.list('lanes', {}, { limit: 1 });
    } catch (cause) {
      throw new AppError('UNAVAILABLE', 'The store does not answer.', { cause });
    }
    return c.json({ status: 'ready' as const }, 200);
  });
}
