import type { ServiceView } from '../../shared/api/service.ts';
import { type AppError, isAppError } from '../../shared/errors/app-error.ts';
import { type Client, createClient } from '../lib/client.ts';
import type { Context } from '../lib/context.ts';
import { type Endpoint, endpointFilePath, findEndpoint } from '../lib/endpoint.ts';
import { alignColumns } from '../lib/table.ts';

/** `caliban endpoint show`: also tells whether it answers; never shows the token. */
export async function run(ctx: Context): Promise<number> {
  const { io, out, json } = ctx;
  const endpoint = await findEndpoint(ctx);
  if (endpoint === null) {
    if (json) await out.json({ url: null });
    else await out.line(`none: caliban cloud starts a service on this machine (${ctx.dataDir})`);
    return 0;
  }
  const { clock, signal } = io;
  const client = createClient({ ...endpoint, fetch: (request) => fetch(request), clock, signal });
  const { service, failure } = await ask(client);
  const { url, origin, token } = endpoint;
  if (json) {
    const problem = failure && { code: failure.code, message: failure.message };
    await out.json({ url, origin, hasToken: token !== null, service, problem });
  } else {
    await out.line(alignColumns(rowsOf(ctx, endpoint, service)).join('\n'));
    if (failure !== null) out.note(failure.message);
  }
  return failure?.exit ?? 0;
}

async function ask(
  client: Client,
): Promise<{ service: ServiceView | null; failure: AppError | null }> {
  try {
    return { service: await client.service(), failure: null };
  } catch (error) {
    if (isAppError(error)) return { service: null, failure: error };
    throw error;
  }
}

function rowsOf(ctx: Context, endpoint: Endpoint, service: ServiceView | null): string[][] {
  const rows = [
    ['address', endpoint.url],
    ['chosen by', originText(ctx, endpoint)],
    ['token', endpoint.token === null ? 'none' : 'given'],
  ];
  if (service === null) return rows;
  return [
    ...rows,
    ['version', service.version],
    ['you are', `${service.principal.id} (${service.principal.role})`],
    ['jobs run on', service.defaultPlatform],
  ];
}

function originText(ctx: Context, { origin }: Endpoint): string {
  const texts = {
    flag: '--endpoint',
    environment: 'CALIBAN_ENDPOINT',
    file: endpointFilePath(ctx.io),
    serve: `the service that runs in ${ctx.dataDir}`,
  } as const satisfies Record<Endpoint['origin'], string>;
  return texts[origin];
}
