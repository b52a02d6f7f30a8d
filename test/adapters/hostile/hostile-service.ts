import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { runServe } from '../../../functions/embedded.ts';
import type { SubmissionSpec } from '../../../shared/api/submissions.ts';
import { aSpec } from '../../doubles/a-spec.ts';
import { serveOptions } from '../../doubles/serve-options.ts';
import { aFile, aLayer, aTar, type BuiltLayer } from '../../doubles/tar-builder.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

/** The token that the service knows. */
export const TOKEN = 'token-of-hostile-input-0123456789';

/** What came back, whatever carried it. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** A part of a request that is not as usual. */
export interface RequestParts {
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The real one-machine service in a directory of its own, and ways to ill-treat it. */
export interface HostileService {
  readonly dataDir: string;
  /** The directory that holds nothing but the data directory. */
  readonly home: string;
  readonly address: string;
  /** A verified code layer. */
  readonly codeLayer: string;
  /** Sends a request with the token; a body is declared as JSON unless the headers say otherwise. */
  request(method: string, path: string, parts?: RequestParts): Promise<Answer>;
  post(path: string, value: unknown): Promise<Answer>;
  /** Submits a sound spec with changes, sound or not. */
  submit(changes: { readonly [K in keyof SubmissionSpec]?: unknown }): Promise<Answer>;
  /** Declares a layer and sends all of its bytes; gives the answer to the last step that was reached. */
  upload(layer: BuiltLayer): Promise<Answer>;
  /** Declares a layer; gives the answer. */
  declare(layer: BuiltLayer): Promise<Answer>;
  put(diffId: string, range: string, bytes: Uint8Array): Promise<Answer>;
  /** A connection on which a test may say anything. */
  dial(): Promise<Socket>;
  stop(): Promise<void>;
}

/** Starts the service. */
export async function startHostileService(): Promise<HostileService> {
  const { path: home, remove } = temporaryDirectory();
  const dataDir = join(home, 'data');
  const end = new AbortController();
  const running = await runServe(
    serveOptions({ dataDir, slots: 1, logLevel: 'debug', token: TOKEN, signal: end.signal }),
  );
  const ways = waysTo(running.address);
  const code = aLayer(aTar(aFile('usr/app/train.py', 'print(1)')));
  const sent = await ways.upload(code);
  if (sent.status !== 200) throw new Error(`the sound layer was refused: ${sent.text}`);
  const codeLayer = code.declaration.diffId;
  return {
    ...ways,
    ...{ home, dataDir, codeLayer, address: running.address },
    submit: (changes) =>
      ways.post('/v1/submissions', { ...aSpec({ codeLayers: [codeLayer] }), ...changes }),
    async stop() {
      end.abort();
      await running.closed;
      remove();
    },
  };
}

function waysTo(address: string) {
  const request = async (method: string, path: string, { body, headers }: RequestParts = {}) => {
    const answer = await fetch(`${address}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${TOKEN}`,
        'Idempotency-Key': 'hostile',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const post = (path: string, value: unknown) =>
    request('POST', path, { body: JSON.stringify(value) });
  const declare = ({ declaration }: BuiltLayer) => post('/v1/layers', declaration);
  const put = (diffId: string, range: string, bytes: Uint8Array) =>
    request('PUT', `/v1/layers/${diffId}/upload`, {
      ...(bytes.length === 0 ? {} : { body: bytes }),
      headers: { 'Content-Range': range, 'Content-Type': 'application/octet-stream' },
    });
  const upload = async (layer: BuiltLayer) => {
    const { diffId, blobSize } = layer.declaration;
    const begun = await declare(layer);
    if (begun.status !== 200) return begun;
    const sent = await put(diffId, `bytes 0-${blobSize - 1}/${blobSize}`, layer.blob);
    return sent.status === 200 ? post(`/v1/layers/${diffId}/complete`, {}) : sent;
  };
  return { request, post, declare, put, upload, dial: () => dial(address) };
}

async function dial(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const at: Pick<AddressInfo, 'port'> = { port: Number(port) };
  const socket = connect({ host: hostname, ...at, allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes until the service hangs up; the caller asked it to with `Connection: close`. */
export async function answerOn(socket: Socket): Promise<Answer> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  // A reset behind the answer is no failure: the service need not read what it has refused.
  socket.on('end', () => socket.destroy());
  await once(socket, 'close');
  const all = Buffer.concat(pieces).toString();
  const [head = '', ...rest] = all.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  const isChunked = /transfer-encoding: chunked/i.test(head);
  return {
    status,
    text: isChunked ? body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1) : body,
  };
}
