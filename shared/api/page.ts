import * as z from 'zod';
import { LIMITS } from './limits.ts';

/** Query parameters of every list: `limit` items from `cursor` on. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(LIMITS.pageItems).default(LIMITS.defaultPageItems),
  cursor: z.string().min(1).max(1_000).optional(),
};

/** Cursors are opaque; `null`: no more. */
export const nextCursor = z.string().nullable();

/** An instant as RFC 3339 text, UTC. */
export const instant = z.iso.datetime();

/** Bare hex sha256. */
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
