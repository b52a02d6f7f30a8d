import { createClient } from '../lib/client.ts';
import type { Context } from '../lib/context.ts';
import { parseServiceUrl, saveEndpoint } from '../lib/endpoint.ts';
import { variable } from '../lib/env.ts';

/** `caliban endpoint set URL`: the service is asked who it is before it is saved. */
export async function run({ io, out, options, words, json }: Context): Promise<number> {
  const url = parseServiceUrl(words[0] ?? '', 'URL');
  const token = options.text('token') ?? variable(io.env, 'CALIBAN_TOKEN') ?? null;
  if (token !== null && travelsOpenly(url)) {
    out.note(`Warning: the token travels unencrypted to ${url}; use https.`);
  }
  const { clock, signal } = io;
  const client = createClient({ url, token, fetch: (request) => fetch(request), clock, signal });
  const service = await client.service();
  const path = await saveEndpoint(io, url, token);
  if (json) await out.json({ url, file: path, service });
  else
    out.note(
      `Using ${url} (caliban ${service.version}) as ${service.principal.id}. Saved in ${path}.`,
    );
  return 0;
}

function travelsOpenly(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(hostname);
}
