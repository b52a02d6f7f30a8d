import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

/** A way to a Docker engine that faults can be put into. */
export interface EngineProxy {
  /** The address of the proxy as in DOCKER_HOST, and its socket. */
  readonly host: string;
  readonly socketPath: string;
  /** Called with a request (as in `POST /containers/create?name=x`) before the engine gets it, and waited for. */
  before: (request: string) => Promise<void>;
  /** Called when the engine has answered, before the answer goes on, and waited for. */
  after: (request: string) => Promise<void>;
  /** What to answer in the engine's place, which then does not get the request; null: nothing. */
  instead: (request: string) => { readonly status: number; readonly message: string } | null;
  close(): Promise<void>;
}

const ENGINE_SOCKET =
  process.env['DOCKER_HOST']?.replace(/^unix:\/\//, '') ?? '/var/run/docker.sock';

/** A proxy at a socket in a directory of the test, in front of the engine of the tests. A request goes on without who sent it. */
export async function openEngineProxy(dir: string): Promise<EngineProxy> {
  const socketPath = join(dir, 'engine.sock');
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => outgoing.destroy());
  });

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method, url: path, headers } = incoming;
    const text = `${method} ${path}`;
    const body = await buffer(incoming);
    await proxy.before(text);
    const refusal = proxy.instead(text);
    if (refusal !== null) {
      outgoing.writeHead(refusal.status, { 'content-type': 'application/json' });
      outgoing.end(JSON.stringify({ message: refusal.message }));
      return;
    }
    const forwarded = request({ socketPath: ENGINE_SOCKET, method, path, headers });
    forwarded.end(body);
    const [answer]: IncomingMessage[] = await once(forwarded, 'response');
    await proxy.after(text);
    if (answer === undefined || outgoing.destroyed) return void answer?.destroy();
    outgoing.once('close', () => answer.destroy());
    answer.once('error', () => outgoing.destroy());
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    outgoing.flushHeaders();
    answer.pipe(outgoing);
  }

  server.listen(socketPath);
  await once(server, 'listening');
  const proxy: EngineProxy = {
    host: `unix://${socketPath}`,
    socketPath,
    before: async () => undefined,
    after: async () => undefined,
    instead: () => null,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return proxy;
}
