import type { LogChunk } from '../../ports/platform.ts';
import type { Clock, Log } from '../../ports/runtime.ts';
import type { GoogleEndpoint } from './google-endpoint.ts';
import { GRPC, grpcCodeOf, unavailable } from './google-errors.ts';
import { createLogClient, type LogClient } from './log-client.ts';
import {
  decodeLogPlace,
  encodeLogPlace,
  type LogLine,
  type LogPlace,
  take,
  unseen,
} from './log-cursor.ts';
import { instantText, jobLogFilter } from './log-entries.ts';
import { createReadBudget } from './log-read-budget.ts';
import { createRecent } from './recent.ts';

/** When a job was created, and when it ended; null while it lives (UTC ms). */
export interface JobTimes {
  readonly createdAt: number;
  readonly endedAt: number | null;
}

/** A job whose log is read. */
export interface LogSource {
  /** Id or number of its project. */
  readonly project: string;
  /** As in the label `job_id` of its entries. */
  readonly jobId: string;
  /** Null: there is no such job. */
  times(): Promise<JobTimes | null>;
}

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

/** What was read from a place on. */
interface Page {
  readonly lines: readonly LogLine[];
  /** There is more behind it, so that it stays as it is. */
  readonly more: boolean;
  /** When it was read (UTC ms). */
  readonly at: number;
}

const PAGES_KEPT = 256;
const CHARACTERS_KEPT = 16 * 1024 * 1024;
/** Requests for one page, where all that comes was given already or nothing is found yet. */
const REQUESTS = 5;
/** A program prints nothing before its job exists; clocks may differ by this. */
const SKEW_MS = 60_000;

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
  const flights = new Map<string, Promise<Page>>();
  const pages = createRecent<Page>(PAGES_KEPT, { maxSize: CHARACTERS_KEPT, sizeOf: sizeOfPage });

  async function request(source: LogSource, place: LogPlace): Promise<Page> {
    const from = place[0] === '' ? await firstInstant(source) : place[0];
    const at = clock.now();
    const filter = jobLogFilter(source.jobId, from, instantText(at - settleMs, true));
    const { project } = source;
    let pageToken = '';
    for (let asked = 0; asked < REQUESTS; asked++) {
      await budget.spend();
      const { lines, next } = await client.entries({ project, filter, pageToken });
      const fresh = unseen(place, lines);
      if (fresh.length > 0 || next === '') return { lines: fresh, more: next !== '', at };
      pageToken = next;
    }
    return { lines: [], more: false, at };
  }

  function shared(key: string, source: LogSource, place: LogPlace): Promise<Page> {
    const flying = flights.get(key);
    if (flying !== undefined) return flying;
    const flight = request(source, place)
      .then((page) => {
        pages.put(key, page);
        return page;
      })
      .finally(() => flights.delete(key));
    flights.set(key, flight);
    return flight;
  }

  async function pageAt(key: string, source: LogSource, place: LogPlace): Promise<Page> {
    const known = pages.get(key);
    if (known !== undefined && (isFresh(known) || !budget.isOpen())) return known;
    try {
      return await shared(key, source, place);
    } catch (error) {
      if (isQuota(error) && known !== undefined) return known;
      throw unavailable('Cloud Logging', error);
    }
  }

  function isQuota(error: unknown): boolean {
    if (grpcCodeOf(error) !== GRPC.resourceExhausted) return false;
    budget.pause();
    settings.log.warn({ error: String(error) }, 'the quota of Cloud Logging is used up');
    return true;
  }

  // What has lines leads on to the next place, so that only an empty end must be asked again.
  function isFresh({ more, lines, at }: Page): boolean {
    return more || lines.length > 0 || clock.now() - at < shareMs;
  }

  async function hasEnded(source: LogSource, place: LogPlace, page: Page): Promise<boolean> {
    const times = await source.times();
    if (times === null) return true;
    if (times.endedAt === null) return false;
    const last = place[0] === '' ? 0 : Date.parse(place[0]);
    return page.at - Math.max(times.endedAt, last) >= quietMs;
  }

  return {
    async read(source, cursor, maxBytes) {
      const place = decodeLogPlace(cursor);
      const keyOf = (at: string) => `${source.project}/${source.jobId}/${at}`;
      const page = await pageAt(keyOf(encodeLogPlace(place)), source, place);
      const taken = take(place, page.lines, maxBytes);
      const next = encodeLogPlace(taken.place);
      if (taken.rest.length > 0) pages.put(keyOf(next), { ...page, lines: taken.rest });
      const isAll = taken.rest.length === 0 && !page.more;
      const ended = isAll && (await hasEnded(source, taken.place, page));
      return { text: taken.text, next, ended };
    },
    close: () => client.close(),
  };
}

async function firstInstant(source: LogSource): Promise<string> {
  const times = await source.times();
  return times === null || times.createdAt === 0 ? '' : instantText(times.createdAt - SKEW_MS);
}

function sizeOfPage({ lines }: Page): number {
  return lines.reduce((sum, { text }) => sum + text.length, 0);
}
