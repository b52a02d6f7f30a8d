import type { MiddlewareHandler } from 'hono';
import type { Clock, Log, Random } from '../../ports/runtime.ts';
import type { ApiEnv } from '../api-host.ts';

const REQUEST_ID = /^[\w.:-]{1,100}$/;

// An API for programs: nothing in it may be framed, sniffed, cached or run by a browser.
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

/** The outermost part: a request id (the caller's when it is a sound one), safe headers, one line in the log. */
export function requestFrame(deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const startedAt = deps.clock.now();
    const asked = c.req.header('X-Request-Id');
    const requestId = asked !== undefined && REQUEST_ID.test(asked) ? asked : deps.random.id();
    c.set('requestId', requestId);
    c.header('X-Request-Id', requestId);
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
    await next();
    const { method, path } = c.req;
    const fields = { requestId, method, path, status: c.res.status };
    deps.log.info(
      { ...fields, principal: c.get('principal')?.id, ms: deps.clock.now() - startedAt },
      'request',
    );
  };
}
