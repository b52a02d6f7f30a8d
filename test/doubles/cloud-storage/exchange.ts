import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ApiFailure, badRequest, failureBody } from './api-failure.ts';
import { isRecord } from './resource-views.ts';
import type { Preconditions } from './stored-objects.ts';

/** One request on its way through the double. */
export interface Exchange {
  readonly method: string;
  /** Decoded segments below `/storage/v1`, as in `b`, BUCKET, `o`, NAME. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** Of the double itself, as the client names it. */
  readonly base: string;
  readonly request: IncomingMessage;
  readonly body: Buffer;
  /** The client went away in the middle of the body. */
  readonly isCut: boolean;
}

/** An answer; `json` or `bytes` or nothing. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
}

const MAX_BODY_BYTES = 256 * 1024 * 1024;

/** Reads a body until its end, until the client goes or until `cutAfter` bytes. */
export async function readBody(
  request: IncomingMessage,
  cutAfter = Number.POSITIVE_INFINITY,
): Promise<{ readonly body: Buffer; readonly isCut: boolean }> {
  const pieces: Buffer[] = [];
  let size = 0;
  let isCut = false;
  try {
    for await (const piece of request) {
      pieces.push(piece);
      size += piece.length;
      isCut = size > cutAfter;
      if (isCut || size > MAX_BODY_BYTES) break;
    }
  } catch {
    isCut = true;
  }
  const body = Buffer.concat(pieces);
  return { body: isCut ? body.subarray(0, Math.min(size, cutAfter)) : body, isCut };
}

/** Writes an answer. */
export function send(response: ServerResponse, answer: Answer): void {
  const bytes = answer.bytes ?? (answer.json === undefined ? '' : JSON.stringify(answer.json));
  const type = answer.json === undefined ? {} : { 'Content-Type': 'application/json' };
  const length = answer.status === 204 || answer.status === 304 ? {} : lengthOf(bytes);
  response.writeHead(answer.status, { ...type, ...length, ...answer.headers });
  response.end(bytes);
}

/** The answer that tells a refusal. A 304 has no body. */
export function failureAnswer(failure: ApiFailure, retryAfterSeconds?: number): Answer {
  if (failure.status === 304) return { status: 304 };
  const headers =
    retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) };
  return { status: failure.status, json: failureBody(failure), headers };
}

/** The JSON object of a body; an empty body is an empty object. */
export function jsonOf(body: Buffer): Record<string, unknown> {
  if (body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(body.toString());
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw badRequest('Parse Error');
}

/** Preconditions among query parameters; `prefix` as in `ifSourceGenerationMatch`. */
export function preconditionsOf(query: URLSearchParams, prefix: '' | 'Source' = ''): Preconditions {
  const read = (name: string) => numberOf(query, `if${prefix}${name}`);
  const all = {
    ifGenerationMatch: read('GenerationMatch'),
    ifGenerationNotMatch: read('GenerationNotMatch'),
    ifMetagenerationMatch: read('MetagenerationMatch'),
    ifMetagenerationNotMatch: read('MetagenerationNotMatch'),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A whole number among query parameters. Throws the 400 of anything else. */
export function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw badRequest(`Invalid value for ${name}: ${text}`);
}

function lengthOf(bytes: string | Uint8Array) {
  return { 'Content-Length': Buffer.byteLength(bytes) };
}
