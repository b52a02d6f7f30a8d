import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { buffer } from 'node:stream/consumers';

/**
 * What becomes of a call: `pass` it on; `lose` the answer, with the connection, once the server is done; `hold` the answer for ever; `repeat`
 * it, as after a lost answer, and give the second one's; or answer with this gRPC status instead of passing it on.
 */
export type CallFate = 'pass' | 'lose' | 'hold' | 'repeat' | number;

/** A way to a gRPC server without TLS that faults can be put into. */
export interface GrpcProxy {
  readonly host: string;
  /** The method of each call that came, as in `Commit`. */
  readonly calls: string[];
  /** Asked for each call. */
  fate: (method: string) => CallFate;
  close(): Promise<void>;
}

interface Answer {
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: OutgoingHttpHeaders;
}

/** Listens on 127.0.0.1, in front of a server. Every call is taken whole, then passed on whole. */
export async function openGrpcProxy(target: string): Promise<GrpcProxy> {
  const upstream = connect(`http://${target}`);
  upstream.on('error', () => upstream.destroy());
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => session.destroy());
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => stream.destroy());
    handle(stream, headers).catch(() => stream.destroy());
  });

  async function handle(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const method = headers[':path']?.split('/').at(-1) ?? '';
    proxy.calls.push(method);
    const fate = proxy.fate(method);
    const body = await buffer(stream);
    if (typeof fate === 'number') return refuse(stream, fate);
    let answer = await ask(upstream, headers, body);
    if (fate === 'hold') return;
    if (fate === 'lose') return stream.session?.destroy();
    if (fate === 'repeat') answer = await ask(upstream, headers, body);
    give(stream, answer);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const proxy: GrpcProxy = {
    host: `127.0.0.1:${port}`,
    calls: [],
    fate: () => 'pass',
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const session of sessions) session.destroy();
      upstream.destroy();
      await closed;
    },
  };
  return proxy;
}

async function ask(
  upstream: ClientHttp2Session,
  headers: IncomingHttpHeaders,
  body: Buffer,
): Promise<Answer> {
  const request = upstream.request({ ...headers, host: undefined });
  let trailers: OutgoingHttpHeaders = {};
  request.on('trailers', (given) => {
    trailers = given;
  });
  request.end(body);
  const [response] = await once(request, 'response');
  return { headers: response, body: await buffer(request), trailers };
}

function give(stream: ServerHttp2Stream, { headers, body, trailers }: Answer): void {
  if (stream.destroyed) return;
  // A gRPC server that has only a status sends it in the headers.
  if (Object.keys(trailers).length === 0) {
    stream.respond(headers, { endStream: true });
    return;
  }
  stream.respond(headers, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}

function refuse(stream: ServerHttp2Stream, status: number): void {
  const headers = { [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc', ':status': 200 };
  stream.respond(
    { ...headers, 'grpc-status': String(status), 'grpc-message': 'refused by a test' },
    { endStream: true },
  );
}
