import * as z from 'zod';
import { namedExports } from './commonjs-module.ts';
import { type GeneratedClient, lazyClient } from './generated-client.ts';
import { clientOptions, type GoogleEndpoint } from './google-endpoint.ts';
import type { LogLine } from './log-cursor.ts';
import { lineOf } from './log-entries.ts';

/** One request to Cloud Logging. */
export interface LogQuery {
  /** Id or number. */
  readonly project: string;
  readonly filter: string;
  readonly pageToken: string;
}

/** Entries by time, and Cloud Logging's place behind them; '' when there are no more. */
export interface LogAnswer {
  readonly lines: readonly LogLine[];
  readonly next: string;
}

/** Reads entries of Cloud Logging; made when it is first needed. */
export interface LogClient {
  /** One page, oldest first. Throws what the client throws. */
  entries(query: LogQuery): Promise<LogAnswer>;
  close(): Promise<void>;
}

/** The most that a request may ask for (google/logging/v2/logging.proto); reads are what is scarce. */
const PAGE = 1_000;
const TIMEOUT_MS = 20_000;

/** The generated client, which the package declares without a type: the part that is used. */
interface Generated extends GeneratedClient {
  listLogEntries(request: object, options: object): Promise<readonly unknown[]>;
}

const answer = z.tuple(
  [z.array(z.unknown()), z.unknown(), z.object({ nextPageToken: z.string().nullish() }).nullish()],
  z.unknown(),
);

/** A client over gRPC, with the application default credentials. */
export function createLogClient(settings: {
  readonly projectId: string;
  readonly endpoint: GoogleEndpoint;
}): LogClient {
  const client = lazyClient(async (): Promise<Generated> => {
    const { v2 } = namedExports(await import('@google-cloud/logging'), 'v2');
    return new v2.LoggingServiceV2Client(clientOptions(settings.projectId, settings.endpoint));
  });

  return {
    async entries({ project, filter, pageToken }) {
      const generated = await client.opened();
      const request = {
        resourceNames: [`projects/${project}`],
        filter,
        orderBy: 'timestamp asc',
        pageSize: PAGE,
        pageToken,
      };
      const options = { autoPaginate: false, timeout: TIMEOUT_MS, retry: null };
      const [entries, , reply] = answer.parse(await generated.listLogEntries(request, options));
      return {
        lines: entries.flatMap((entry) => lineOf(entry) ?? []),
        next: reply?.nextPageToken ?? '',
      };
    },
    close: client.close,
  };
}
