/**
 * Where an API of Google is asked: `HOST` or `HOST:PORT` of a private endpoint (Private Service Connect), null for the public one. It is
 * always asked over TLS, with the machine's application default credentials.
 */
export type GoogleEndpoint = string | null;

/** Options of a generated client for an endpoint; `publicHost` is the API's own for the region, null for the client's default. */
export function clientOptions(
  projectId: string,
  endpoint: GoogleEndpoint,
  publicHost: string | null = null,
): { readonly projectId: string; readonly apiEndpoint?: string; readonly port?: number } {
  if (endpoint === null) {
    return publicHost === null ? { projectId } : { projectId, apiEndpoint: publicHost };
  }
  const { hostname, port } = new URL(`https://${endpoint}`);
  return { projectId, apiEndpoint: hostname, ...(port === '' ? {} : { port: Number(port) }) };
}
