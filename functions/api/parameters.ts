import * as z from 'zod';
import { LIMITS } from '../../shared/api/limits.ts';
import { sha256Hex } from '../../shared/api/page.ts';
import { plainText } from '../../shared/api/plain-text.ts';

/** A group in a path: a name of the caller's own, OWNER/NAME (encoded as OWNER%2FNAME), or an id. */
export const groupParams = z.object({
  g: plainText
    .min(1)
    .max(LIMITS.groupNameLength + 256)
    .meta({ description: 'Name of your own group, OWNER%2FNAME, or an id.', example: 'lr-sweep' }),
});

/** The id of a job, submission or build in a path. */
export const idParams = z.object({
  id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/, 'must be an id as the service gave it')
    .meta({ description: 'Id as the service gave it.' }),
});

/** A layer in a path: bare hex sha256 of its uncompressed tar. */
export const layerParams = z.object({ diffId: sha256Hex });
