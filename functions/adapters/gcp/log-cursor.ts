import { createHash } from 'node:crypto';
import * as z from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import { wholeUtf8Length } from '../../../shared/jobs/utf8-boundary.ts';

/** A line of a log. */
export interface LogLine {
  /** RFC 3339 with nine digits of a second, UTC: as text they sort by time. */
  readonly timestamp: string;
  readonly insertId: string;
  /** Ends with a newline. */
  readonly text: string;
}

const cursorValue = z.tuple([
  /** Nothing before this instant is wanted. */
  z.union([z.iso.datetime({ precision: 9 }), z.literal('')]),
  /** Digests of the entries of that instant that were given already. */
  z.string().regex(/^(?:[A-Za-z0-9_-]{8})*$/),
  /** Of that instant all up to this id were given, where they are too many to name. */
  z.string(),
  /** The entry that was given in part, by digest, and how many bytes of it. */
  z.string(),
  z.int().nonnegative(),
]);

/** A place in a log. */
export type LogPlace = Readonly<z.infer<typeof cursorValue>>;

const START: LogPlace = ['', '', '', '', 0];
const DIGEST = 8;
/** A cursor goes through a header and an address: 1,000 characters at most (shared/api/page.ts). */
const NAMED = 40;

/** Reads a cursor; '' is the beginning. Throws AppError CURSOR_INVALID. */
export function decodeLogPlace(cursor: string): LogPlace {
  if (cursor === '') return START;
  try {
    return cursorValue.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
  } catch (cause) {
    throw new AppError('CURSOR_INVALID', 'This is no place in the log of a job of Vertex AI.', {
      hint: 'Leave out --since, or take the place from the last answer.',
      cause,
    });
  }
}

/** A place as an opaque text. */
export function encodeLogPlace(place: LogPlace): string {
  const isStart = place.every((part) => part === '' || part === 0);
  return isStart ? '' : Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The lines that come after a place, of those from its instant on. */
export function unseen(place: LogPlace, lines: readonly LogLine[]): LogLine[] {
  const [at, seen, upTo] = place;
  const given = new Set(seen.match(/.{8}/g) ?? []);
  return lines.filter(({ timestamp, insertId }) => {
    if (timestamp !== at) return timestamp > at;
    return insertId > upTo && !given.has(digestOf(insertId));
  });
}

/** At most `maxBytes` (at least 4, the longest character) of lines that come after a place, without cutting a character. */
export function take(
  place: LogPlace,
  lines: readonly LogLine[],
  maxBytes: number,
): { readonly text: string; readonly place: LogPlace; readonly rest: readonly LogLine[] } {
  const limit = Math.max(4, maxBytes);
  const pieces: Buffer[] = [];
  let size = 0;
  let at = place;
  for (const [index, line] of lines.entries()) {
    const all = bytesAfter(at, line);
    const room = all.subarray(0, limit - size);
    const piece = room.subarray(0, all.length > room.length ? wholeUtf8Length(room) : all.length);
    pieces.push(piece);
    size += piece.length;
    if (piece.length < all.length) {
      const next = piece.length === 0 ? at : within(at, line, piece.length);
      return { text: text(pieces), place: next, rest: lines.slice(index) };
    }
    at = after(at, line);
  }
  return { text: text(pieces), place: at, rest: [] };
}

function text(pieces: readonly Buffer[]): string {
  return Buffer.concat(pieces).toString();
}

function bytesAfter([, , , partial, bytes]: LogPlace, line: LogLine): Buffer {
  const all = Buffer.from(line.text);
  return partial === digestOf(line.insertId) ? all.subarray(bytes) : all;
}

function after(place: LogPlace, { timestamp, insertId }: LogLine): LogPlace {
  const [at, seen, upTo, partial, bytes] = place;
  const digest = digestOf(insertId);
  const rest = partial === digest ? (['', 0] as const) : ([partial, bytes] as const);
  if (timestamp !== at) return [timestamp, digest, '', ...rest];
  if (seen.length < NAMED * DIGEST) return [at, seen + digest, upTo, ...rest];
  return [at, '', insertId, ...rest];
}

function within(place: LogPlace, { timestamp, insertId }: LogLine, added: number): LogPlace {
  const [at, seen, upTo, partial, bytes] = place;
  const digest = digestOf(insertId);
  const given = partial === digest ? bytes + added : added;
  return timestamp === at ? [at, seen, upTo, digest, given] : [timestamp, '', '', digest, given];
}

function digestOf(insertId: string): string {
  return createHash('sha256').update(insertId).digest('base64url').slice(0, DIGEST);
}
