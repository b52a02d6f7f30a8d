import * as z from 'zod';
import { LIMITS } from './limits.ts';

/** How many of something there are, or how often it was done. */
export const count = z.number().int().min(0);

/** A whole number in a query: decimal digits and nothing else. */
export function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  // Number() alone would take an empty text, 0x10 and 1e1 too.
  return z.preprocess(
    (text) => (typeof text === 'string' && /^[0-9]{1,15}$/.test(text) ? Number(text) : text),
    z.number(message).int(message).min(min, message).max(max, message),
  );
}

/** A place in a list or log, as a page or an answer gave it. */
export const cursorParameter = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,1000}$/, 'must be a place as an answer gave it');

/** Query parameters of every list: `limit` items from `cursor` on. */
export const pageQuery = {
  limit: wholeNumber(1, LIMITS.pageItems).default(LIMITS.defaultPageItems),
  cursor: cursorParameter.optional(),
};

/** Cursors are opaque; `null`: no more. */
export const nextCursor = z.string().nullable();

/** An instant as RFC 3339 text, UTC. */
export const instant = z.iso.datetime();

/** Bare hex sha256. */
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
