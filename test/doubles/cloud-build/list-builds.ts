import { invalidArgument } from '../google-api/api-status.ts';
import { parseBuildFilter } from './build-filter.ts';
import { type Build, timeMs } from './build-record.ts';

export interface ListBuildsRequest {
  readonly parent: string;
  readonly projectId: string;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly filter: string;
}

export interface ListBuildsResponse {
  readonly builds: readonly Build[];
  readonly nextPageToken: string;
}

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;

/** One page, newest first. `builds`: those of the place, oldest first. Throws INVALID_ARGUMENT for a bad filter, size or token. */
export function listBuilds(
  builds: readonly Build[],
  request: ListBuildsRequest,
): ListBuildsResponse {
  if (request.pageSize < 0) throw invalidArgument('page_size must not be negative');
  const matches = parseBuildFilter(request.filter);
  const after = request.pageToken === '' ? undefined : readToken(request);
  const sorted = builds.map((build, index) => ({ build, index })).toSorted(byNewest);
  const start = after === undefined ? 0 : sorted.findIndex(({ build }) => build.id === after) + 1;
  const rest = sorted.slice(start).filter(({ build }) => matches(build));
  const size = Math.min(request.pageSize || DEFAULT_PAGE, MAX_PAGE);
  const page = rest.slice(0, size).map(({ build }) => build);
  const last = rest.length > size ? page.at(-1) : undefined;
  return { builds: page, nextPageToken: last === undefined ? '' : token(request, last.id) };
}

interface Sorted {
  readonly build: Build;
  readonly index: number;
}

function byNewest(a: Sorted, b: Sorted): number {
  return createdMs(b.build) - createdMs(a.build) || b.index - a.index;
}

/** UTC milliseconds. */
export function createdMs({ createTime }: Build): number {
  return createTime === null ? 0 : timeMs(createTime);
}

/** Good for the same list only. */
function token({ parent, projectId, filter }: ListBuildsRequest, after: string): string {
  return Buffer.from(JSON.stringify([parent || projectId, filter, after])).toString('base64url');
}

function readToken(request: ListBuildsRequest): string {
  try {
    const text = Buffer.from(request.pageToken, 'base64url').toString();
    const [, , after] = JSON.parse(text) as string[];
    if (after !== undefined && token(request, after) === request.pageToken) return after;
  } catch {
    // Whatever is wrong with it, it is rejected.
  }
  throw invalidArgument('invalid page token');
}
