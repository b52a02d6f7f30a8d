import { isAppError } from '../../../shared/errors/app-error.ts';
import type { LogChunk } from '../../ports/platform.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import type { GoogleEndpoint } from './google-endpoint.ts';
import { GRPC, grpcCodeOf, unavailable } from './google-errors.ts';
import { createLogClient, type LogClient } from './log-client.ts';
import { decodeLogPlace, encodeLogPlace, type LogPlace, take } from './log-cursor.ts';
import { createLogPages, type LogPage, type LogSource } from './log-pages.ts';
import { createReadBudget } from './log-read-budget.ts';

/** Logs of jobs in Cloud Logging. */
export interface JobLogs {
  /** What a job printed from a cursor on ('' = the beginning), as lines. Throws AppError CURSOR_INVALID, UNAVAILABLE. */
  read(source: LogSource, cursor: string, maxBytes: number): Promise<LogChunk>;
  close(): Promise<void>;
}

export interface JobLogSettings {
  readonly projectId: string;
  readonly endpoint: GoogleEndpoint;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Entries come in out of order: only those older than this are given (ms), so that none is missed that comes a little later than its
   * neighbours. What comes later still, after a reader went by, that reader does not get. Default 5 s.
   */
  readonly settleMs?: number;
  /** A log has ended when its job is over and nothing came for this long (ms); default 30 s, longer than `settleMs`. */
  readonly quietMs?: number;
  /** How long the end of a log is not asked for again (ms); default 2 s. */
  readonly shareMs?: number;
  /** Reads in a minute; default 50, a little below Cloud Logging's usual quota of 60 for a project. */
  readonly readsPerMinute?: number;
}

/** Requests for one answer: more would keep its reader waiting. The next answer goes on from there. */
const REQUESTS = 5;
/** The longest character of UTF-8, in bytes. */
const LONGEST_CHARACTER = 4;

/** What is to be answered so far. */
interface Piece {
  readonly text: string;
  /** Where it ends, and how many bytes may follow. */
  readonly place: LogPlace;
  readonly room: number;
  /** What is left of the page it was taken from last; null at the beginning. */
  readonly page: LogPage | null;
  readonly requests: number;
  /** Whether to look behind it before it is given. */
  readonly mayGrow: boolean;
}

/** What is at a place. */
interface Look {
  readonly page: LogPage;
  /** Whether it was asked for just now. */
  readonly asked: boolean;
}

/**
 * A reader of logs that is careful with Cloud Logging's small quota: all who are at the same place share one read, what was read ahead is
 * kept, and while there is no quota whoever waits for new lines is told that there are none yet.
 */
export function createJobLogs(
  settings: JobLogSettings,
  client: LogClient = createLogClient(settings),
): JobLogs {
  const { clock, settleMs = 5_000, quietMs = 30_000, shareMs = 2_000 } = settings;
  const budget = createReadBudget(clock, settings.readsPerMinute ?? 50);
  const pages = createLogPages({ client, clock, budget, settleMs });

  async function look(source: LogSource, place: LogPlace, mayAsk: boolean): Promise<Look> {
    const known = pages.known(source, place);
    if (known !== undefined && (isFresh(known) || !mayAsk || !budget.isOpen())) {
      return { page: known, asked: false };
    }
    try {
      return { page: await pages.ask(source, place), asked: true };
    } catch (error) {
      if (isQuota(error) && known !== undefined) return { page: known, asked: false };
      throw away(error);
    }
  }

  function isQuota(error: unknown): boolean {
    if (grpcCodeOf(error) !== GRPC.resourceExhausted) return false;
    budget.pause();
    settings.log.warn({ error: String(error) }, 'the quota of Cloud Logging is used up');
    return true;
  }

  // What has lines leads on to the next place; a search goes on, and an empty end is asked for again after a while.
  function isFresh({ lines, search, at }: LogPage): boolean {
    return lines.length > 0 || (search === null && clock.now() - at < shareMs);
  }

  async function hasEnded(source: LogSource, { place, page }: Piece): Promise<boolean> {
    if (page === null || page.search !== null || page.lines.length > 0) return false;
    const known = pages.known(source, place);
    if (known !== undefined && known.lines.length > 0) return false;
    const times = await source.times();
    if (times === null) return true;
    if (times.endedAt === null) return false;
    const last = place[0] === '' ? 0 : Date.parse(place[0]);
    return page.at - Math.max(times.endedAt, last) >= quietMs;
  }

  // Who was given lines hears of a failure with the next look.
  async function lookBehind(source: LogSource, piece: Piece): Promise<Look> {
    try {
      return await look(source, piece.place, piece.requests < REQUESTS);
    } catch (error) {
      if (piece.page === null || piece.text === '') throw error;
      return { page: piece.page, asked: false };
    }
  }

  function joined(source: LogSource, piece: Piece, { page, asked }: Look): Piece {
    const { text, place, rest } = take(piece.place, page.lines, piece.room);
    if (page.lines.length > 0) pages.keep(source, place, { ...page, lines: rest });
    const room = rest.length > 0 ? 0 : piece.room - Buffer.byteLength(text);
    return {
      text: piece.text + text,
      place,
      room,
      page: { ...page, lines: rest },
      requests: piece.requests + (asked ? 1 : 0),
      mayGrow:
        room >= LONGEST_CHARACTER && (page.lines.length > 0 || (asked && page.search !== null)),
    };
  }

  return {
    // Pages may be as small as a line, where a log was followed: an answer joins what is known, and asks for what is behind it.
    async read(source, cursor, maxBytes) {
      let piece = pieceAt(decodeLogPlace(cursor), maxBytes);
      do {
        piece = joined(source, piece, await lookBehind(source, piece));
        if (await hasEnded(source, piece)) return chunkOf(piece, true);
      } while (piece.mayGrow);
      return chunkOf(piece, false);
    },
    close: () => client.close(),
  };
}

function pieceAt(place: LogPlace, maxBytes: number): Piece {
  const room = Math.max(LONGEST_CHARACTER, maxBytes);
  return { text: '', place, room, page: null, requests: 0, mayGrow: true };
}

function chunkOf({ text, place }: Piece, ended: boolean): LogChunk {
  return { text, next: encodeLogPlace(place), ended };
}

// What was asked of Vertex AI meanwhile has its own words.
function away(error: unknown): Error {
  return isAppError(error) ? error : unavailable('Cloud Logging', error);
}
