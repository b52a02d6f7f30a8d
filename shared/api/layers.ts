import * as z from 'zod';
import { LIMITS } from './limits.ts';
import { count, sha256Hex } from './page.ts';

/** `POST /v1/layers/check`. */
export const layersCheck = z
  .strictObject({
    diffIds: z
      .array(sha256Hex)
      .min(1)
      .max(LIMITS.codeLayers + 2),
  })
  .meta({ id: 'LayersCheck' });

/** Where each asked layer stands, in order. Upload what is `missing` or `failed`. */
export const layersChecked = z
  .object({
    layers: z.array(
      z.object({
        diffId: sha256Hex,
        state: z.enum(['missing', 'complete', 'verified', 'failed']),
        reason: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'LayersChecked' });

/** `POST /v1/layers`: what is about to be sent. */
export const layerDeclaration = z
  .strictObject({
    diffId: sha256Hex,
    blobSize: z.number().int().min(1).max(LIMITS.layerBlobBytes),
    encoding: z.enum(['gzip', 'zstd', 'identity']),
    uncompressedSize: z.number().int().min(1).max(LIMITS.layerUncompressedBytes),
  })
  .meta({ id: 'LayerDeclaration' });

/**
 * An open upload session. PUT bytes to `uploadUrl` (absolute, or a path of this service) with
 * `Content-Range: bytes FIRST-LAST/TOTAL`; 308 with `Range: bytes=0-N` says what is there, 200 that all is.
 * `Content-Range: bytes *\/TOTAL` with no body asks. Then POST /v1/layers/{diffId}/complete.
 */
export const uploadSession = z.object({ uploadUrl: z.string() }).meta({ id: 'UploadSession' });

/** The answer to the PUT that brought the last byte: how many bytes are there. */
export const uploadReceived = z
  .object({ diffId: sha256Hex, received: count })
  .meta({ id: 'UploadReceived' });

/** `POST /v1/layers/{diffId}/complete`: 200 verified, or 202 complete (verification follows). */
export const layerCompleted = z
  .object({ diffId: sha256Hex, state: z.enum(['verified', 'complete']) })
  .meta({ id: 'LayerCompleted' });
