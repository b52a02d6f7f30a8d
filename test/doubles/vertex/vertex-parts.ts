import type { GoogleApi } from '../google-api/google-api.ts';
import type { JobBook } from './job-book.ts';
import type { JobRuns } from './job-runs.ts';
import type { Places } from './places.ts';

/** What the methods share. */
export interface VertexParts {
  readonly api: GoogleApi;
  readonly book: JobBook;
  readonly runs: JobRuns;
  readonly places: Places;
  readonly maxPageSize: number;
  readonly refusesWhenFull: boolean;
}
