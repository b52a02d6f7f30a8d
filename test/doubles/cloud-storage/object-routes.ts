import { ApiFailure, badRequest, conditionNotMet } from './api-failure.ts';
import { type Answer, type Exchange, jsonOf, numberOf, preconditionsOf } from './exchange.ts';
import { etagOf, objectView, patched, settingsOf } from './resource-views.ts';
import {
  failedCondition,
  type Preconditions,
  type StoredObject,
  type StoredObjects,
} from './stored-objects.ts';

/** `GET`, `PATCH` and `DELETE` of one object, and `GET` of its bytes with `alt=media`. */
export function oneObject(objects: StoredObjects, exchange: Exchange, isMedia: boolean): Answer {
  const { method, query, segments, base } = exchange;
  const [, bucket = '', , name = ''] = segments;
  const object = objects.get(bucket, name, numberOf(query, 'generation'));
  const isRead = method === 'GET';
  requireConditions(object, preconditionsOf(query), isRead);
  if (isRead) {
    return isMedia || query.get('alt') === 'media'
      ? media(object, exchange.request.headers.range)
      : { status: 200, json: objectView(object, base) };
  }
  if (method === 'DELETE') {
    objects.remove(bucket, name);
    return { status: 204 };
  }
  if (method !== 'PATCH') throw new ApiFailure(405, 'methodNotAllowed', `No ${method} here.`);
  const changed = objects.patch(object, patched(object.settings, jsonOf(exchange.body)));
  return { status: 200, json: objectView(changed, base) };
}

/** `copyTo` and `rewriteTo`. A rewrite copies `bytesPerCall` at a time and hands out tokens in between. */
export function copyObject(
  objects: StoredObjects,
  exchange: Exchange,
  bytesPerCall: number,
): Answer {
  const { query, segments, base, body } = exchange;
  const [, fromBucket = '', , fromName = '', verb, , toBucket = '', , toName = ''] = segments;
  const source = objects.get(fromBucket, fromName, numberOf(query, 'sourceGeneration'));
  requireConditions(source, preconditionsOf(query, 'Source'), false);
  const conditions = preconditionsOf(query);
  requireConditions(objects.find(toBucket, toName), conditions, false);
  const size = source.bytes.length;
  const done = rewritten(query, source) + bytesPerCall;
  if (verb === 'rewriteTo' && done < size) {
    const rewriteToken = Buffer.from(`${source.generation}:${done}`).toString('base64url');
    return rewriteAnswer({ totalBytesRewritten: String(done), done: false, rewriteToken }, size);
  }
  const settings = body.length === 0 ? source.settings : settingsOf(jsonOf(body));
  const copy = { bucket: toBucket, name: toName, bytes: source.bytes, settings };
  const resource = objectView(objects.put(copy, conditions), base);
  if (verb === 'copyTo') return { status: 200, json: resource };
  return rewriteAnswer({ totalBytesRewritten: String(size), done: true, resource }, size);
}

/** A page of the objects of a bucket; names and prefixes together count towards `maxResults`. */
export function listObjects(objects: StoredObjects, { query, segments, base }: Exchange): Answer {
  const [, bucket = ''] = segments;
  const limit = Math.min(numberOf(query, 'maxResults') ?? 1000, 1000);
  const after = tokenName(query.get('pageToken'));
  const all = listedEntries(objects.names(bucket), query);
  const rest = after === undefined ? all : all.filter(({ entry }) => entry > after);
  const page = rest.slice(0, limit);
  const items = page.filter(({ isPrefix }) => !isPrefix);
  const views = items.map(({ entry }) => objectView(objects.get(bucket, entry), base));
  const prefixes = page.filter(({ isPrefix }) => isPrefix).map(({ entry }) => entry);
  const last = rest.length > limit ? page.at(-1)?.entry : undefined;
  const json = {
    kind: 'storage#objects',
    ...(views.length > 0 ? { items: views } : {}),
    ...(prefixes.length > 0 ? { prefixes } : {}),
    ...(last === undefined ? {} : { nextPageToken: Buffer.from(last).toString('base64url') }),
  };
  return { status: 200, json };
}

function listedEntries(names: readonly string[], query: URLSearchParams) {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const start = query.get('startOffset') ?? '';
  const end = query.get('endOffset') ?? '';
  const wanted = names.filter(
    (name) => name.startsWith(prefix) && name >= start && (end === '' || name < end),
  );
  const entries = new Map<string, { readonly entry: string; readonly isPrefix: boolean }>();
  for (const name of wanted) {
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const entry = cut < 0 ? name : name.slice(0, cut + delimiter.length);
    entries.set(entry, { entry, isPrefix: cut >= 0 });
  }
  return [...entries.values()];
}

/** Throws 412, or 304 for a read whose `NotMatch` fails. */
function requireConditions(
  object: StoredObject | undefined,
  conditions: Preconditions,
  isRead: boolean,
): void {
  const failed = failedCondition(object, conditions);
  if (failed === undefined) return;
  if (failed === 'not-match' && isRead) throw new ApiFailure(304, 'notModified', 'Not Modified');
  throw conditionNotMet();
}

function media(object: StoredObject, range: string | undefined): Answer {
  const { bytes } = object;
  const headers = {
    'Content-Type': object.settings.contentType ?? 'application/octet-stream',
    ...(object.settings.contentEncoding === undefined
      ? {}
      : { 'Content-Encoding': object.settings.contentEncoding }),
    ETag: etagOf(object),
    'x-goog-generation': String(object.generation),
    'x-goog-metageneration': String(object.metageneration),
    'x-goog-stored-content-encoding': object.settings.contentEncoding ?? 'identity',
    'x-goog-stored-content-length': String(bytes.length),
    'x-goog-hash': `crc32c=${object.crc32c},md5=${object.md5Hash}`,
  };
  if (range === undefined) return { status: 200, headers, bytes };
  const wanted = rangeWithin(range, bytes.length);
  if (wanted === undefined) return { status: 200, headers, bytes };
  const { first, last } = wanted;
  if (first > last) {
    const failure = 'The requested range cannot be satisfied.';
    throw new ApiFailure(416, 'requestedRangeNotSatisfiable', failure);
  }
  const contentRange = `bytes ${first}-${last}/${bytes.length}`;
  return {
    status: 206,
    headers: { ...headers, 'Content-Range': contentRange },
    bytes: bytes.subarray(first, last + 1),
  };
}

// `first > last`: nothing of it lies within. Undefined: not a range of bytes, which is read as none.
function rangeWithin(range: string, size: number) {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (from === '' && to === '') return undefined;
  if (from === '') return { first: Math.max(0, size - Number(to)), last: size - 1 };
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return { first: Number(from), last };
}

function rewritten(query: URLSearchParams, source: StoredObject): number {
  const token = query.get('rewriteToken');
  if (token === null) return 0;
  const [generation, done] = Buffer.from(token, 'base64url').toString().split(':');
  if (generation === String(source.generation)) return Number(done);
  throw badRequest('Invalid rewrite token.');
}

function rewriteAnswer(state: Readonly<Record<string, unknown>>, size: number): Answer {
  return {
    status: 200,
    json: { kind: 'storage#rewriteResponse', objectSize: String(size), ...state },
  };
}

function tokenName(token: string | null): string | undefined {
  return token === null ? undefined : Buffer.from(token, 'base64url').toString();
}
