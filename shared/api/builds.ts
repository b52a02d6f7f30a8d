import * as z from 'zod';
import { count, instant } from './page.ts';

/** `GET /v1/builds/{id}`: the preparation of a dependency image or environment. */
export const buildView = z
  .object({
    id: z.string(),
    state: z.enum(['building', 'ready', 'failed']),
    attempt: count,
    startedAt: instant,
    finishedAt: instant.nullable(),
    error: z.object({ message: z.string(), hint: z.string().nullable() }).nullable(),
  })
  .meta({ id: 'Build' });

/** A build as shown. */
export type BuildView = z.infer<typeof buildView>;
