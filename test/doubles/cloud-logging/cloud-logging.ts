import { invalidArgument } from '../google-api/api-status.ts';
import { nanosOfMs, ordered } from '../google-api/comparing.ts';
import type { GoogleApi } from '../google-api/google-api.ts';
import { pageToken, placeOf } from '../google-api/page-token.ts';
import { type NewEntry, type StoredEntry, wireEntry } from './entries.ts';
import { compileLogFilter } from './log-filter.ts';

/** The log of the doubles: other doubles write to it, clients read it over the wire. */
export interface CloudLogging {
  /** Takes an entry in; it can be read `ingestionDelayMs` later. */
  write(entry: NewEntry): void;
  /** Runs before each read: for writers whose entries come into being when somebody looks. */
  beforeRead(look: () => void): void;
}

export interface CloudLoggingOptions {
  /** From `write` until an entry can be read; default 0. */
  readonly ingestionDelayMs?: number;
  /** How many entries of the projects, wanted or not, one read looks through before it stops early; default: all. */
  readonly entriesPerRead?: number;
}

interface ListRequest {
  readonly resourceNames: readonly string[];
  readonly filter: string;
  readonly orderBy: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

const DEFAULT_PAGE = 50;
const MAX_PAGE = 1000;
const READS_PER_MINUTE = 60;

/** Registers google.logging.v2.LoggingServiceV2 with ListLogEntries on a server. */
export function startCloudLogging(api: GoogleApi, options: CloudLoggingOptions = {}): CloudLogging {
  const delay = nanosOfMs(options.ingestionDelayMs ?? 0);
  const entries: StoredEntry[] = [];
  const looks: (() => void)[] = [];

  function list(request: ListRequest): object {
    const page = pageOf(request);
    const projects = projectsOf(api, request.resourceNames);
    const matches = compileLogFilter(request.filter);
    const now = nanosOfMs(api.clock.now());
    const sign = directionOf(request.orderBy);
    const query = [request.resourceNames, request.filter, request.orderBy];
    const place = placeOf(request.pageToken, query);
    const all = entries
      .filter((entry) => projects.has(entry.projectNumber) && entry.received + delay <= now)
      .filter((entry) => place === null || comparedTo(entry, place, sign) > 0)
      .sort((a, b) => sign * ordered(a.timestamp, b.timestamp) || ordered(a.insertId, b.insertId));
    const searched = all.slice(0, options.entriesPerRead);
    const found = searched.filter(matches);
    const shown = found.slice(0, page);
    const stoppedAt = searched.length < all.length ? searched.at(-1) : undefined;
    const last = found.length > page ? shown.at(-1) : stoppedAt;
    return {
      entries: shown.map(wireEntry),
      nextPageToken:
        last === undefined ? '' : pageToken(query, [String(last.timestamp), last.insertId]),
    };
  }

  api.serve({
    proto: 'google/logging/v2/logging.proto',
    name: 'google.logging.v2.LoggingServiceV2',
    methods: {
      ListLogEntries: {
        routing: null,
        quota: ({ resourceNames }: ListRequest) => ({
          metric: 'logging.googleapis.com/read_requests',
          perMinute: READS_PER_MINUTE,
          projectNumber: [...projectsOf(api, resourceNames)][0] ?? '',
          region: null,
        }),
        handle(request: ListRequest) {
          for (const look of looks) look();
          return list(request);
        },
      },
    },
  });
  return {
    beforeRead: (look) => void looks.push(look),
    write(entry) {
      const project = api.project(entry.logName.split('/')[1] ?? '', entry.logName);
      entries.push({
        labels: {},
        ...entry,
        projectNumber: project.number,
        insertId: insertId(api, entries.length),
        received: nanosOfMs(api.clock.now()),
      });
    },
  };
}

/** Unique, and in no order that means anything, as Google's. */
function insertId(api: GoogleApi, count: number): string {
  const random = Math.floor(api.random.next() * 36 ** 6).toString(36);
  return `${random.padStart(6, '0')}f${count.toString(36).padStart(6, '0')}`;
}

function pageOf({ pageSize }: ListRequest): number {
  if (pageSize >= 0 && pageSize <= MAX_PAGE) return pageSize === 0 ? DEFAULT_PAGE : pageSize;
  throw invalidArgument(`page_size must be from 0 to ${MAX_PAGE}: ${pageSize}`);
}

function directionOf(orderBy: string): 1 | -1 {
  if (orderBy === '' || orderBy === 'timestamp asc' || orderBy === 'timestamp') return 1;
  if (orderBy === 'timestamp desc') return -1;
  throw invalidArgument(`order_by must be "timestamp asc" or "timestamp desc": ${orderBy}`);
}

function projectsOf(api: GoogleApi, names: readonly string[]): Set<string> {
  if (names.length === 0) throw invalidArgument('resource_names is required.');
  return new Set(
    names.map((name) => {
      const [, project] = /^projects\/([^/]+)$/.exec(name) ?? [];
      if (project === undefined) {
        throw invalidArgument(`This double knows resource names of projects only: ${name}`);
      }
      return api.project(project, name).number;
    }),
  );
}

/** Where an entry stands to the place of a page token; entries of one instant are in the order of their ids either way. */
function comparedTo(entry: StoredEntry, place: readonly string[], sign: 1 | -1): number {
  const [timestamp = '0', id = ''] = place;
  return sign * ordered(entry.timestamp, BigInt(timestamp)) || ordered(entry.insertId, id);
}
