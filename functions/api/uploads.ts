import { createRoute } from '@hono/zod-openapi';
import * as z from 'zod';
import { uploadReceived } from '../../shared/api/layers.ts';
import { LIMITS } from '../../shared/api/limits.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { requireSubmitter } from '../core/permissions.ts';
import type { UploadRange, UploadSink } from '../ports/layer-store.ts';
import { ANSWER_HEADERS, BEARER, failures, json } from './answers.ts';
import type { Api } from './api-host.ts';
import { layerParams } from './parameters.ts';

const headers = z.object({
  'Content-Range': z
    .string()
    .regex(
      /^bytes (?:[0-9]{1,15}-[0-9]{1,15}|\*)\/[0-9]{1,15}$/,
      'must be "bytes FIRST-LAST/TOTAL", or "bytes */TOTAL" to ask',
    ),
});

const putBytes = createRoute({
  method: 'put',
  path: '/v1/layers/{diffId}/upload',
  tags: ['layers'],
  security: BEARER,
  summary: 'Send bytes of a layer, or ask how many are here',
  description:
    'Content-Range: bytes FIRST-LAST/TOTAL with these bytes, or bytes */TOTAL without a body to ask. ' +
    'Bytes that are here already are skipped; a body that breaks keeps what arrived.',
  request: {
    params: layerParams,
    headers,
    body: {
      content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
    },
  },
  responses: {
    200: json(uploadReceived, 'All bytes are here: complete the upload.'),
    308: {
      description: 'Go on; Range: bytes=0-N says what is here, no Range that nothing is.',
      headers: {
        ...ANSWER_HEADERS,
        Range: { schema: { type: 'string', pattern: '^bytes=0-[0-9]+$' } },
      },
    },
    ...failures(404, 409, 422),
  },
});

/** The route that takes layer bytes itself (one machine), by the protocol of Cloud Storage's resumable uploads. */
export function addUploads(app: Api, uploads: UploadSink): void {
  app.openapi(putBytes, async (c) => {
    requireSubmitter(c.get('principal'));
    const { diffId } = c.req.valid('param');
    const range = rangeOf(c.req.valid('header')['Content-Range']);
    const { received } = await uploads.receive(diffId, range, bytesOf(c.req.raw.body));
    if (received >= range.total) return c.json({ diffId, received }, 200);
    if (received > 0) c.header('Range', `bytes=0-${received - 1}`);
    return c.body(null, 308);
  });
}

function rangeOf(text: string): UploadRange {
  const numbers = text.slice('bytes '.length).split(/[-/]/).map(Number);
  const total = numbers.at(-1) ?? 0;
  if (numbers.length === 2) return { bytes: undefined, total };
  const [first = 0, last = 0] = numbers;
  if (first > last || last >= total) {
    throw new AppError('REQUEST_INVALID', `Content-Range ${JSON.stringify(text)} is no range.`, {
      hint: 'FIRST-LAST are the first and the last byte of this body, counted from 0, below TOTAL.',
    });
  }
  const length = last - first + 1;
  if (length > LIMITS.uploadChunkBytes) {
    throw new AppError(
      'REQUEST_TOO_LARGE',
      `One PUT with ${length} bytes; the limit is ${LIMITS.uploadChunkBytes}.`,
      { hint: 'Send the layer in smaller pieces.', context: { limit: LIMITS.uploadChunkBytes } },
    );
  }
  return { bytes: { first, last }, total };
}

async function* bytesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void> {
  if (body === null) return;
  try {
    yield* body;
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', 'The body broke off.', {
      hint: 'Ask how many bytes arrived (Content-Range: bytes */TOTAL) and go on from there.',
      cause,
    });
  }
}
