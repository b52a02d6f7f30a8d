import type { Clock } from '../../ports/runtime.ts';
import { GRPC, grpcCodeOf } from './google-errors.ts';
import type { LogClient } from './log-client.ts';
import { encodeLogPlace, type LogLine, type LogPlace, unseen } from './log-cursor.ts';
import { instantText, jobLogFilter } from './log-entries.ts';
import type { ReadBudget } from './log-read-budget.ts';
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

/** A search of Cloud Logging that is not at its end; its token belongs to its filter. */
interface Search {
  readonly filter: string;
  readonly pageToken: string;
}

/** What was read from a place on. */
export interface LogPage {
  readonly lines: readonly LogLine[];
  /** How what is behind the lines is found; null: nothing was there. */
  readonly search: Search | null;
  /** When the search was begun (UTC ms); it covers what had settled by then. */
  readonly at: number;
}

/** Pages by job and place: all who are at the same place share one request. */
export interface LogPages {
  /** What is known from a place on. */
  known(source: LogSource, place: LogPlace): LogPage | undefined;
  /** One request for what comes after a place, which goes on with the search that is known there. Throws what the client throws. */
  ask(source: LogSource, place: LogPlace): Promise<LogPage>;
  /** Takes in what is left of a page behind a place. */
  keep(source: LogSource, place: LogPlace, page: LogPage): void;
}

export interface LogPagesSettings {
  readonly client: LogClient;
  readonly clock: Clock;
  readonly budget: ReadBudget;
  readonly settleMs: number;
}

const PAGES_KEPT = 256;
const CHARACTERS_KEPT = 16 * 1024 * 1024;
/** A program prints nothing before its job exists; clocks may differ by this. */
const SKEW_MS = 60_000;

export function createLogPages({ client, clock, budget, settleMs }: LogPagesSettings): LogPages {
  const flights = new Map<string, Promise<LogPage>>();
  const pages = createRecent<LogPage>(PAGES_KEPT, { maxSize: CHARACTERS_KEPT, sizeOf: sizeOfPage });

  async function begun(source: LogSource, place: LogPlace): Promise<Begun> {
    const from = place[0] === '' ? await firstInstant(source) : place[0];
    const at = clock.now();
    const filter = jobLogFilter(source.jobId, from, instantText(at - settleMs, true));
    return { filter, pageToken: '', at };
  }

  async function request(source: LogSource, place: LogPlace): Promise<LogPage> {
    const known = pages.get(keyOf(source, place));
    if (known === undefined || known.search === null) {
      return next(source, place, await begun(source, place));
    }
    try {
      return await next(source, place, { ...known.search, at: known.at });
    } catch (error) {
      // How long a token holds is documented nowhere.
      if (grpcCodeOf(error) !== GRPC.invalidArgument) throw error;
      return next(source, place, await begun(source, place));
    }
  }

  async function next(source: LogSource, place: LogPlace, search: Begun): Promise<LogPage> {
    const { filter, pageToken, at } = search;
    await budget.spend();
    const answer = await client.entries({ project: source.project, filter, pageToken });
    // An empty page with a token: nothing is found yet (google/logging/v2/logging.proto, read 2026-12).
    const rest = answer.next === '' ? null : { filter, pageToken: answer.next };
    return { lines: unseen(place, answer.lines), search: rest, at };
  }

  return {
    known: (source, place) => pages.get(keyOf(source, place)),
    ask(source, place) {
      const key = keyOf(source, place);
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
    },
    keep(source, place, page) {
      const key = keyOf(source, place);
      const known = pages.get(key);
      // What another reader found there since is more than what this one knows.
      if (page.lines.length === 0 && known !== undefined) {
        if (known.lines.length > 0 || known.at >= page.at) return;
      }
      pages.put(key, page);
    },
  };
}

type Begun = Search & Pick<LogPage, 'at'>;

function keyOf({ project, jobId }: LogSource, place: LogPlace): string {
  return `${project}/${jobId}/${encodeLogPlace(place)}`;
}

async function firstInstant(source: LogSource): Promise<string> {
  const times = await source.times();
  return times === null || times.createdAt === 0 ? '' : instantText(times.createdAt - SKEW_MS);
}

function sizeOfPage({ lines }: LogPage): number {
  return lines.reduce((sum, { text }) => sum + text.length, 0);
}
