import type { Hook } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { routePath } from 'hono/route';
import type { Api, ApiEnv } from './api-host.ts';
import { requestInvalid } from './request-invalid.ts';

type Checked = Parameters<Hook<unknown, ApiEnv, string, unknown>>[0];

const WHERE: Readonly<Record<string, string>> = {
  json: 'body',
  query: 'query',
  param: 'path',
  header: 'header',
};

/** Throws REQUEST_INVALID for a part of a request that its route's schema refuses. */
export function refuseInvalid(app: Api, result: Checked, c: Context<ApiEnv>): void {
  if (result.success) return;
  throw requestInvalid({
    where: WHERE[result.target] ?? result.target,
    // The validator puts the refused value beside the error; its type does not say so.
    value: Reflect.get(result, 'data'),
    schema: schemaOf(app, result.target, c),
    issues: result.error.issues,
  });
}

function schemaOf(app: Api, target: string, c: Context<ApiEnv>): unknown {
  const path = routePath(c).replaceAll(/:(\w+)/g, '{$1}');
  const method = c.req.method === 'HEAD' ? 'get' : c.req.method.toLowerCase();
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { route } = definition;
    if (route.path !== path || route.method !== method) continue;
    if (target === 'query') return route.request?.query;
    const media = route.request?.body?.content['application/json'];
    return media !== undefined && 'schema' in media ? media.schema : undefined;
  }
  return undefined;
}
