import type { Context } from '../lib/context.ts';
import { endpointFilePath, forgetEndpoint } from '../lib/endpoint.ts';

/** `caliban endpoint unset`. */
export async function run({ io, out }: Context): Promise<number> {
  await forgetEndpoint(io);
  out.note(`No service is saved in ${endpointFilePath(io)} any more.`);
  return 0;
}
