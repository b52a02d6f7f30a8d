import { invalidArgument } from '../google-api/api-status.ts';
import type { GoogleMethod } from '../google-api/google-service.ts';
import { pageToken, placeOf } from '../google-api/page-token.ts';
import { compileJobFilter } from './job-filter.ts';
import { type FieldMask, masking } from './read-mask.ts';
import type { VertexParts } from './vertex-parts.ts';
import { otherQuota } from './vertex-quotas.ts';

interface ListRequest {
  readonly parent: string;
  readonly filter: string;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly readMask: FieldMask | null;
}

/** ListCustomJobs: newest first, as things were `listLagMs` ago. */
export function listing({ book, runs, places, maxPageSize }: VertexParts): GoogleMethod {
  return {
    routing: 'parent',
    quota: ({ parent }: ListRequest) => otherQuota(places, parent),
    handle(request: ListRequest) {
      const { parent } = places.of(request.parent);
      const { filter } = request;
      const size = sizeOf(request, maxPageSize);
      const matches = compileJobFilter(filter);
      const mask = masking(request.readMask);
      const [before] = placeOf(request.pageToken, [parent, filter]) ?? [];
      runs.settle();
      const found = book
        .listed(parent)
        .filter(({ order, job }) => order < Number(before ?? Infinity) && matches(job));
      const page = found.slice(0, size);
      const last = found.length > size ? page.at(-1) : undefined;
      return {
        customJobs: page.map(({ job }) => mask(job)),
        nextPageToken: last === undefined ? '' : pageToken([parent, filter], [String(last.order)]),
      };
    },
  };
}

/** Larger pages than the server's are cut to it, as usual with Google. */
function sizeOf({ pageSize }: ListRequest, max: number): number {
  if (pageSize < 0) throw invalidArgument(`page_size must not be negative: ${pageSize}`);
  return Math.min(pageSize === 0 ? max : pageSize, max);
}
