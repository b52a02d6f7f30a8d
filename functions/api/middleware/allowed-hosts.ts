import type { MiddlewareHandler } from 'hono';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ApiEnv } from '../api-host.ts';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Refuses requests that name another host than loopback or one of the given ones (without port). A page of a foreign site
 * whose name was pointed at this machine (DNS rebinding) still sends its own name.
 */
export function allowedHosts(names: readonly string[]): MiddlewareHandler<ApiEnv> {
  const known = new Set(names.map((name) => name.toLowerCase()));
  return async (c, next) => {
    const host = c.req.header('Host') ?? new URL(c.req.url).host;
    const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
    if (!LOOPBACK.test(name) && !known.has(name)) {
      throw new AppError('FORBIDDEN', `This service does not answer as ${JSON.stringify(host)}.`, {
        hint: 'Use the address that caliban serve printed.',
      });
    }
    await next();
  };
}
