import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { ApiFailure, badRequest } from './api-failure.ts';
import { type Answer, type Exchange, failureAnswer, jsonOf, readBody, send } from './exchange.ts';
import type { Fault, FaultHook, SeenRequest } from './faults.ts';
import { copyObject, listObjects, oneObject } from './object-routes.ts';
import { bucketView } from './resource-views.ts';
import { createStoredObjects, type ObjectSettings, type StoredObject } from './stored-objects.ts';
import { createUploads } from './upload-routes.ts';

/** How the double is started; see README.md. */
export interface CloudStorageOptions {
  /** Made at the start. */
  readonly buckets?: readonly string[];
  /** Default 0: any free one of 127.0.0.1. */
  readonly port?: number;
  /** UTC milliseconds. */
  readonly now?: () => number;
  /** Bytes of all objects together; default 512 MiB. */
  readonly maxBytes?: number;
  /** Bytes that one `rewriteTo` call copies before it hands out a token; default: all. */
  readonly rewriteBytesPerCall?: number;
  /** Bearer tokens that are accepted; default: none is asked for. Session URIs never need one. */
  readonly tokens?: readonly string[];
  readonly fault?: FaultHook;
}

/** An object that a test puts there. */
export interface PlacedObject {
  readonly bytes: Uint8Array;
  readonly settings?: ObjectSettings;
}

/** What tests look at and change from beside. */
export interface CloudStorageControl {
  /** The last 10,000 requests, with the token's presence but never its value. */
  readonly requests: (SeenRequest & { readonly hasToken: boolean })[];
  /** Replaces the fault hook; undefined: nothing goes wrong any more. */
  setFault(fault: FaultHook | undefined): void;
  names(bucket: string): string[];
  object(bucket: string, name: string): StoredObject | undefined;
  put(bucket: string, name: string, object: PlacedObject): StoredObject;
  remove(bucket: string, name: string): void;
  /** As after a week: every session URI is unknown. */
  expireSessions(): void;
}

/** A running double. */
export interface CloudStorageDouble {
  /** As in `http://127.0.0.1:40001`. */
  readonly url: string;
  readonly control: CloudStorageControl;
  close(): Promise<void>;
}

const DEFAULT_MAX_BYTES = 512 * 1024 * 1024;
const MAX_REQUESTS = 10_000;

/** Starts a Cloud Storage of this process's memory. */
export async function startCloudStorage(
  options: CloudStorageOptions = {},
): Promise<CloudStorageDouble> {
  const { buckets = [], now = Date.now, maxBytes = DEFAULT_MAX_BYTES, tokens } = options;
  const bytesPerCall = options.rewriteBytesPerCall ?? Number.POSITIVE_INFINITY;
  const objects = createStoredObjects(maxBytes, now);
  for (const bucket of buckets) objects.addBucket(bucket);
  const uploads = createUploads(objects);
  const requests: CloudStorageControl['requests'] = [];
  let hook = options.fault;
  let count = 0;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const base = `http://${request.headers.host}`;
    const { path, query, kind } = addressOf(request, base);
    const method = request.method ?? 'GET';
    const seen = { method, path, query: Object.fromEntries(query), headers: request.headers };
    const entry = { ...seen, count: ++count };
    const hasToken = request.headers.authorization !== undefined;
    if (requests.push({ ...entry, hasToken }) > MAX_REQUESTS) requests.shift();
    const fault = hook?.(entry);
    if (fault !== undefined && 'until' in fault) await fault.until;
    const { body, isCut } = await readBody(request, cutOf(fault));
    const segments = path.slice(1).split('/').map(decodeURIComponent);
    const exchange = { method, segments, query, base, request, body, isCut };
    const answer = answerOf(() => {
      const refused = refusal(fault);
      if (refused !== undefined) return refused;
      if (!query.has('upload_id')) requireToken(request.headers.authorization, tokens);
      if (kind === 'upload') return uploads.answer(exchange);
      return resource(exchange, kind === 'download');
    });
    if (isCut || (fault !== undefined && 'loseReply' in fault)) request.socket.destroy();
    else send(response, answer);
  }

  function resource(exchange: Exchange, isMedia: boolean): Answer {
    const { segments } = exchange;
    const isKnown = segments[0] === 'b' && (segments[2] ?? 'o') === 'o';
    if (!isKnown) throw new ApiFailure(404, 'notFound', 'Not Found');
    if (segments.length <= 2) return oneBucket(exchange);
    if (segments.length === 3) return listObjects(objects, exchange);
    if (segments.length === 4) return oneObject(objects, exchange, isMedia);
    if (isCopy(exchange)) return copyObject(objects, exchange, bytesPerCall);
    throw new ApiFailure(404, 'notFound', 'Not Found');
  }

  function oneBucket({ method, segments, base, body }: Exchange): Answer {
    const [, bucket] = segments;
    if (bucket === undefined) {
      if (method === 'GET') {
        const items = objects.buckets().map((name) => bucketView(name, base));
        return { status: 200, json: { kind: 'storage#buckets', items } };
      }
      const { name } = jsonOf(body);
      if (typeof name !== 'string') throw badRequest('Required parameter: name');
      objects.addBucket(name);
      return { status: 200, json: bucketView(name, base) };
    }
    objects.requireBucket(bucket);
    if (method !== 'DELETE') return { status: 200, json: bucketView(bucket, base) };
    objects.removeBucket(bucket);
    return { status: 204 };
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    control: {
      requests,
      setFault: (fault) => {
        hook = fault;
      },
      names: (bucket) => objects.names(bucket),
      object: (bucket, name) => objects.find(bucket, name),
      put: (bucket, name, { bytes, settings = {} }) =>
        objects.put({ bucket, name, bytes: Buffer.from(bytes), settings }, {}),
      remove: (bucket, name) => objects.remove(bucket, name),
      expireSessions: () => uploads.expireSessions(),
    },
    async close() {
      server.closeAllConnections();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

function addressOf(request: IncomingMessage, base: string) {
  const url = new URL(request.url ?? '/', base);
  const [, kind, path = '/'] =
    /^(?:\/(upload|download))?(?:\/storage\/v1)?(\/.*)$/.exec(url.pathname) ?? [];
  return { path, query: url.searchParams, kind };
}

function isCopy({ method, segments }: Exchange): boolean {
  return method === 'POST' && segments.length === 9 && /^(copy|rewrite)To$/.test(segments[4] ?? '');
}

function answerOf(work: () => Answer): Answer {
  try {
    return work();
  } catch (error) {
    if (error instanceof ApiFailure) return failureAnswer(error);
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return failureAnswer(new ApiFailure(500, 'internalError', message));
  }
}

function refusal(fault: Fault | undefined): Answer | undefined {
  if (fault === undefined || !('status' in fault)) return undefined;
  const reason = fault.status === 429 ? 'rateLimitExceeded' : 'backendError';
  const failure = new ApiFailure(fault.status, reason, 'A fault of the test.');
  return failureAnswer(failure, fault.retryAfterSeconds);
}

function cutOf(fault: Fault | undefined): number | undefined {
  return fault !== undefined && 'cutAfterBytes' in fault ? fault.cutAfterBytes : undefined;
}

function requireToken(header: string | undefined, tokens: readonly string[] | undefined): void {
  if (tokens === undefined || tokens.some((token) => header === `Bearer ${token}`)) return;
  throw new ApiFailure(401, 'authError', 'Invalid Credentials');
}
