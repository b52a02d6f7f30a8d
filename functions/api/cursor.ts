import * as z from 'zod';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Cursor } from '../ports/store.ts';

const MAX_LENGTH = 1_000;

const wire = z.strictObject({
  v: z.union([z.number(), z.string().max(600)]),
  id: z.string().regex(/^[\x20-\x2e\x30-\x7e]{1,200}$/),
});

/** A place in a list as opaque text: base64url of `{v, id}`. */
export function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify({ v: cursor.value, id: cursor.id })).toString('base64url');
}

/** The place behind a page, or null after the last one. */
export function nextCursor(next: Cursor | undefined): string | null {
  return next === undefined ? null : encodeCursor(next);
}

/**
 * The place that a text stands for. Throws CURSOR_INVALID unless it is exactly what {@link encodeCursor} gave for a
 * list ordered by this type.
 */
export function decodeCursor(text: string, type: 'number' | 'string'): Cursor {
  const parsed = text.length <= MAX_LENGTH ? wire.safeParse(parse(text)) : undefined;
  if (parsed?.success === true && typeof parsed.data.v === type) {
    const cursor = { value: parsed.data.v, id: parsed.data.id };
    if (encodeCursor(cursor) === text) return cursor;
  }
  throw new AppError(
    'CURSOR_INVALID',
    `${JSON.stringify(text.slice(0, 40))} is no cursor of this list.`,
    { hint: 'Send a cursor as a page gave it, to the same list, or none to begin.' },
  );
}

/** As {@link decodeCursor}; undefined stays undefined: the beginning. */
export function optionalCursor(
  text: string | undefined,
  type: 'number' | 'string',
): Cursor | undefined {
  return text === undefined ? undefined : decodeCursor(text, type);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return undefined;
  }
}
