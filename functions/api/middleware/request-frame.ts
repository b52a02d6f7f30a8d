import type { Context, MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { CoreDeps } from '../../core/deps.ts';
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

/** Asked for every few seconds by machines: of them the log tells failures only, unless it tells everything. */
const WATCHING = new Set(['/healthz', '/readyz', '/metrics']);
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

type FrameDeps = Pick<CoreDeps, 'random' | 'log' | 'meters'>;

/**
 * The outermost part: a request id (the caller's when it is a sound one) that every line written meanwhile carries, safe
 * headers, one line in the log, one more in the counts.
 */
export function requestFrame(deps: FrameDeps): MiddlewareHandler<ApiEnv> {
  const routes = new Map<string, string>();
  return async (c, next) => {
    // The service's clock has whole milliseconds, and can be set.
    const startedAt = performance.now();
    const asked = c.req.header('X-Request-Id');
    const requestId = asked !== undefined && REQUEST_ID.test(asked) ? asked : deps.random.id();
    c.set('requestId', requestId);
    c.header('X-Request-Id', requestId);
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
    await deps.log.within({ requestId }, next);
    const route = described(routes, routePath(c, -1));
    tellRequest(deps, c, { route, ms: performance.now() - startedAt });
  };
}

// Never the query: somebody may have put a token there.
function tellRequest(
  { log, meters }: FrameDeps,
  c: Context<ApiEnv>,
  { route, ms }: { readonly route: string; readonly ms: number },
): void {
  const { method, path } = c.req;
  const { status } = c.res;
  const told = { requestId: c.get('requestId'), method, path, status };
  const level = status >= 500 ? 'warn' : WATCHING.has(path) ? 'debug' : 'info';
  const principal = c.get('principal')?.id;
  log[level]({ ...told, principal, ms: Math.round(ms * 10) / 10 }, 'request');
  const labels = { method: METHODS.has(method) ? method : 'other', route };
  meters.count('caliban_http_requests_total', { ...labels, status: String(status) });
  meters.observe('caliban_http_request_duration_seconds', labels, ms / 1_000);
}

// The pattern, never the path: there are as many paths as anybody cares to send. Written as the description has it.
function described(known: Map<string, string>, pattern: string): string {
  const before = known.get(pattern);
  if (before !== undefined) return before;
  const route = pattern.endsWith('*') ? 'none' : pattern.replaceAll(/:(\w+)/g, '{$1}');
  known.set(pattern, route);
  return route;
}
