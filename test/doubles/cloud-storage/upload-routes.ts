import { randomBytes } from 'node:crypto';
import { ApiFailure, badRequest } from './api-failure.ts';
import { type Answer, type Exchange, jsonOf, preconditionsOf } from './exchange.ts';
import { objectView, settingsOf } from './resource-views.ts';
import {
  failedCondition,
  type ObjectSettings,
  type Preconditions,
  type StoredObject,
  type StoredObjects,
} from './stored-objects.ts';

/** Bytes of an unfinished upload are kept in multiples of this. */
const QUANTUM = 256 * 1024;

interface Session {
  readonly bucket: string;
  readonly name: string;
  readonly settings: ObjectSettings;
  readonly conditions: Preconditions;
  bytes: Buffer;
  result: StoredObject | undefined;
  isCancelled: boolean;
}

/** Everything below `/upload/storage/v1`. */
export interface Uploads {
  answer(exchange: Exchange): Answer;
  /** Forgets all sessions, as the service does after a week. */
  expireSessions(): void;
  /** Bytes held by unfinished sessions. */
  pendingBytes(): number;
}

/** Uploads into `objects`: media, multipart, resumable. */
export function createUploads(objects: StoredObjects): Uploads {
  const sessions = new Map<string, Session>();

  function open(exchange: Exchange): Answer {
    const { query, request, base, segments } = exchange;
    const [, bucket = ''] = segments;
    const resource = jsonOf(exchange.body);
    const name = nameOf(query, resource);
    objects.requireBucket(bucket);
    const conditions = preconditionsOf(query);
    if (failedCondition(objects.find(bucket, name), conditions) !== undefined) {
      throw new ApiFailure(412, 'conditionNotMet', 'A pre-condition did not hold.');
    }
    const type = request.headers['x-upload-content-type'];
    const settings = {
      ...(typeof type === 'string' ? { contentType: type } : {}),
      ...settingsOf(resource),
    };
    const id = randomBytes(24).toString('base64url');
    const pending = { bytes: Buffer.alloc(0), result: undefined, isCancelled: false };
    sessions.set(id, { bucket, name, settings, conditions, ...pending });
    const address = new URL(`${base}/upload/storage/v1/b/${bucket}/o`);
    address.searchParams.set('uploadType', 'resumable');
    address.searchParams.set('name', name);
    address.searchParams.set('upload_id', id);
    return { status: 200, headers: { Location: address.href, 'X-GUploader-UploadID': id } };
  }

  function continued(exchange: Exchange, id: string): Answer {
    const session = sessions.get(id);
    if (session === undefined) throw new ApiFailure(404, 'notFound', 'No such upload session.');
    if (session.isCancelled) throw new ApiFailure(499, 'cancelled', 'The upload was cancelled.');
    if (exchange.method === 'DELETE') {
      session.isCancelled = true;
      return { status: 499 };
    }
    const { base } = exchange;
    const finished = session.result ?? take(objects, session, exchange);
    if (finished !== undefined) return { status: 200, json: objectView(finished, base) };
    const kept = session.bytes.length;
    return { status: 308, headers: kept === 0 ? {} : { Range: `bytes=0-${kept - 1}` } };
  }

  function whole(exchange: Exchange): Answer {
    const { query, segments, base, body, request } = exchange;
    const [, bucket = ''] = segments;
    const type = String(request.headers['content-type'] ?? 'application/octet-stream');
    const isMultipart = query.get('uploadType') === 'multipart';
    const parts = isMultipart ? multipart(body, type) : { resource: {}, type, bytes: body };
    const name = nameOf(query, parts.resource);
    const settings = { contentType: parts.type, ...settingsOf(parts.resource) };
    const object = { bucket, name, bytes: parts.bytes, settings };
    const stored = objects.put(object, preconditionsOf(query));
    return { status: 200, json: objectView(stored, base) };
  }

  return {
    answer(exchange) {
      const { method, query } = exchange;
      const id = query.get('upload_id');
      if (id !== null) return continued(exchange, id);
      if (exchange.isCut) throw badRequest('The body ended early.');
      if (method !== 'POST') throw new ApiFailure(405, 'methodNotAllowed', `No ${method} here.`);
      return query.get('uploadType') === 'resumable' ? open(exchange) : whole(exchange);
    },
    expireSessions: () => sessions.clear(),
    pendingBytes: () => [...sessions.values()].reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}

/** Takes the bytes of one PUT. Resolves with the object once it is finished. */
function take(
  objects: StoredObjects,
  session: Session,
  { body, isCut, request }: Exchange,
): StoredObject | undefined {
  const { first, total } = contentRange(request.headers['content-range'], body.length, isCut);
  const held = session.bytes.length;
  if (first !== undefined) {
    if (first > held) {
      const message = `The upload offset is ${first}, which exceeds already uploaded size of ${held} byte(s).`;
      throw new ApiFailure(503, 'backendError', message);
    }
    session.bytes = Buffer.concat([session.bytes, body.subarray(held - first)]);
  }
  const isWhole = session.bytes.length === total && !isCut;
  if (!isWhole) {
    const kept = session.bytes.length - (session.bytes.length % QUANTUM);
    session.bytes = session.bytes.subarray(0, Math.max(held, kept));
    return undefined;
  }
  const { bucket, name, settings, bytes } = session;
  session.result = objects.put({ bucket, name, bytes, settings }, session.conditions);
  session.bytes = Buffer.alloc(0);
  return session.result;
}

/** `bytes FIRST-LAST/TOTAL`, `bytes FIRST-LAST/*`, a query `bytes * /TOTAL`, or no header: all bytes at once. */
function contentRange(header: string | undefined, length: number, isCut: boolean) {
  if (header === undefined) return { first: 0, total: length };
  const [, from, to, all] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(header) ?? [];
  if (all === undefined) throw badRequest('Failed to parse Content-Range header.');
  const total = all === '*' ? undefined : Number(all);
  if (from === undefined || to === undefined) return { first: undefined, total };
  const declared = Number(to) - Number(from) + 1;
  if (declared < 1 || Number(to) >= (total ?? Number.POSITIVE_INFINITY)) {
    throw badRequest('Failed to parse Content-Range header.');
  }
  if (length !== declared && !isCut) {
    throw badRequest(
      `Invalid request. There were ${length} byte(s) in the request body. There should have been ${declared} byte(s) according to the Content-Range header.`,
    );
  }
  return { first: Number(from), total };
}

function nameOf(query: URLSearchParams, resource: Readonly<Record<string, unknown>>): string {
  const name = query.get('name') ?? resource['name'];
  if (typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 1024) return name;
  throw new ApiFailure(400, 'required', 'Required parameter: name');
}

/** The two parts of a `multipart/related` body: the resource as JSON, then the bytes. */
function multipart(body: Buffer, contentType: string) {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) throw badRequest('Missing boundary.');
  const marker = Buffer.from(`--${boundary}`);
  const marks: number[] = [];
  for (let at = body.indexOf(marker); at >= 0; at = body.indexOf(marker, at + 1)) marks.push(at);
  const [one, two, three] = marks;
  if (one === undefined || two === undefined || three === undefined) {
    throw badRequest('Multipart must have two parts.');
  }
  const resource = part(body.subarray(one + marker.length, two));
  const media = part(body.subarray(two + marker.length, marks.at(-1)));
  return {
    resource: jsonOf(resource.content),
    bytes: Buffer.from(media.content),
    type: /^content-type:\s*(.+)$/im.exec(media.head)?.[1]?.trim() ?? 'application/octet-stream',
  };
}

function part(piece: Buffer): { readonly head: string; readonly content: Buffer } {
  const split = piece.indexOf('\r\n\r\n');
  if (split < 0) throw badRequest('A part has no head.');
  // The line end before the next boundary belongs to the boundary.
  return {
    head: piece.subarray(0, split).toString(),
    content: piece.subarray(split + 4, piece.length - 2),
  };
}
