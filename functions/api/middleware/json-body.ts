import type { MiddlewareHandler } from 'hono';
import { LIMITS } from '../../../shared/api/limits.ts';
import { AppError } from '../../../shared/errors/app-error.ts';
import type { ApiEnv } from '../api-host.ts';

const JSON_TYPE = /^application\/json *(?:;|$)/i;

/** Reads the JSON body of a route that has one: declared as JSON, not larger than the limit, UTF-8, well-formed. */
export const jsonBody: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const type = c.req.header('Content-Type');
  if (type === undefined || !JSON_TYPE.test(type)) {
    throw new AppError(
      'MEDIA_TYPE_UNSUPPORTED',
      type === undefined
        ? 'The request has no Content-Type.'
        : `The body is declared as ${JSON.stringify(type.slice(0, 100))}.`,
      { hint: 'Send JSON with Content-Type: application/json.' },
    );
  }
  const declared = Number(c.req.header('Content-Length') ?? 0);
  if (declared > LIMITS.bodyBytes) throw tooLarge();
  const text = decode(await readWithin(c.req.raw.body, LIMITS.bodyBytes));
  checkJson(text);
  // Where hono looks for the text before it reads the body, which is read by now; its types leave out the promise.
  Object.assign(c.req.bodyCache, { text: Promise.resolve(text) });
  await next();
};

async function readWithin(body: ReadableStream<Uint8Array> | null, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      size += chunk.length;
      if (size > limit) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new AppError('REQUEST_INVALID', `The body broke off after ${size} bytes.`, {
      hint: 'Send the request again.',
      cause: error,
    });
  }
  if (size > limit) throw tooLarge();
  return Buffer.concat(chunks);
}

function tooLarge(): AppError {
  return new AppError(
    'REQUEST_TOO_LARGE',
    `The body has more than ${LIMITS.bodyBytes} bytes, the limit.`,
    {
      hint: 'A large experiment config travels as a layer (configLayer).',
      context: { limit: LIMITS.bodyBytes },
    },
  );
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError('REQUEST_INVALID', 'The body is not UTF-8.', {
      hint: 'Encode the JSON as UTF-8.',
      cause: error,
    });
  }
}

function checkJson(text: string): void {
  if (text.trim() === '') {
    throw new AppError('REQUEST_INVALID', 'The body is empty.', { hint: 'Send a JSON object.' });
  }
  try {
    JSON.parse(text);
  } catch (error) {
    // The engine's words name the position where it has one.
    const reason = error instanceof Error ? error.message : String(error);
    throw new AppError('REQUEST_INVALID', `The body is no JSON: ${reason}.`, {
      hint: 'Send one JSON object, without comments.',
      cause: error,
    });
  }
}
