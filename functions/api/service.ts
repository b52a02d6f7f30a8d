import { createRoute } from '@hono/zod-openapi';
import { LIMITS } from '../../shared/api/limits.ts';
import { principalView, type ServiceView, serviceView } from '../../shared/api/service.ts';
import { BEARER, failures, json } from './answers.ts';
import type { Api, ApiHost } from './api-host.ts';

const TAGS = ['service'];

const getService = createRoute({
  method: 'get',
  path: '/v1/service',
  tags: TAGS,
  security: BEARER,
  summary: 'What this service is and takes: version, platforms, lanes, limits, sign-in',
  responses: { 200: json(serviceView, 'The service.'), ...failures() },
});

const getMe = createRoute({
  method: 'get',
  path: '/v1/me',
  tags: TAGS,
  security: BEARER,
  summary: 'Who the token stands for',
  responses: { 200: json(principalView, 'The caller.'), ...failures() },
});

/** Routes about the service itself. */
export function addService(app: Api, host: ApiHost): void {
  const unchanging = viewOf(host);
  app.openapi(getService, (c) => c.json({ ...unchanging, principal: c.get('principal') }, 200));
  app.openapi(getMe, (c) => c.json(c.get('principal'), 200));
}

function viewOf({ deps, service }: ApiHost): Omit<ServiceView, 'principal'> {
  return {
    name: 'caliban',
    ...service,
    defaultPlatform: deps.defaultPlatform,
    platforms: [...new Set(deps.lanes.map(({ platform }) => platform))],
    lanes: deps.lanes.map(({ id, platform, policy }) => ({ id, platform, ...policy })),
    limits: { ...LIMITS },
    signIn: service.host === 'hosted' ? ['oidc', 'token'] : ['token'],
  };
}
