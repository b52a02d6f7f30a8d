import type { Collection } from './documents.ts';

/** A value a field can be compared with. */
export type Scalar = string | number | boolean;

/** What an entry of the catalogue says. */
export interface QuerySpec {
  readonly collection: Collection;
  /** Fields that must equal a given value. */
  readonly equals: readonly string[];
  /** Fields that may be given too; any subset. */
  readonly optional?: readonly string[];
  /** Whether one facet (`label:k=v`, `flag:k=v`) may be asked for: `facets` contains it. */
  readonly facet?: boolean;
  /** Field the result is ordered by, then by id. `changedAt` is the store's own. */
  readonly orderBy: string;
  readonly direction: 'asc' | 'desc';
  /** Whether `atMost` bounds the order field from above. */
  readonly range?: 'atMost';
}

/**
 * Every query there is: equalities, at most one facet, at most one range (on the order field), order by (field, id).
 * SQLite statements and indexes, and firestore.indexes.json, are generated from this table.
 */
export const QUERIES = {
  dueMessages: {
    collection: 'outbox',
    equals: ['parked'],
    optional: ['kind'],
    orderBy: 'notBefore',
    direction: 'asc',
    range: 'atMost',
  },
  parkedMessages: {
    collection: 'outbox',
    equals: ['parked'],
    optional: ['kind'],
    orderBy: 'notBefore',
    direction: 'asc',
  },
  lanes: { collection: 'lanes', equals: [], orderBy: 'createdAt', direction: 'asc' },
  openSubmissions: {
    collection: 'submissions',
    equals: ['openLane'],
    orderBy: 'acceptedAt',
    direction: 'asc',
  },
  submissionsToEnd: {
    collection: 'submissions',
    equals: ['ending'],
    orderBy: 'acceptedAt',
    direction: 'asc',
  },
  submissionsToExpand: {
    collection: 'submissions',
    equals: ['expanded'],
    orderBy: 'acceptedAt',
    direction: 'asc',
    range: 'atMost',
  },
  submissionsAwaitingImage: {
    collection: 'submissions',
    equals: ['imageState', 'ending'],
    orderBy: 'acceptedAt',
    direction: 'asc',
    range: 'atMost',
  },
  submissionsOfGroup: {
    collection: 'submissions',
    equals: ['groupId'],
    orderBy: 'acceptedAt',
    direction: 'asc',
  },
  unexpandedOfGroup: {
    collection: 'submissions',
    equals: ['groupId', 'expanded'],
    orderBy: 'acceptedAt',
    direction: 'asc',
  },
  chunksOfSubmission: {
    collection: 'chunks',
    equals: ['submissionId'],
    orderBy: 'index',
    direction: 'asc',
  },
  groups: {
    collection: 'groups',
    equals: [],
    optional: ['owner'],
    orderBy: 'createdAt',
    direction: 'desc',
  },
  experimentsOfGroup: {
    collection: 'experiments',
    equals: ['groupId'],
    facet: true,
    orderBy: 'order',
    direction: 'asc',
  },
  jobsOfExperiment: {
    collection: 'jobs',
    equals: ['experimentId'],
    orderBy: 'order',
    direction: 'desc',
  },
  jobsOfGroup: {
    collection: 'jobs',
    equals: ['groupId'],
    optional: ['platform'],
    facet: true,
    orderBy: 'order',
    direction: 'asc',
  },
  jobsOfGroupByState: {
    collection: 'jobs',
    equals: ['groupId', 'state'],
    optional: ['platform'],
    facet: true,
    orderBy: 'order',
    direction: 'asc',
  },
  recentJobs: {
    collection: 'jobs',
    equals: [],
    optional: ['owner', 'state', 'platform'],
    orderBy: 'order',
    direction: 'desc',
  },
  changedJobsOfGroup: {
    collection: 'jobs',
    equals: ['groupId'],
    orderBy: 'changedAt',
    direction: 'asc',
  },
  jobsOfSubmissionByState: {
    collection: 'jobs',
    equals: ['submissionId', 'state'],
    orderBy: 'notBefore',
    direction: 'asc',
    range: 'atMost',
  },
  liveJobsOfSubmission: {
    collection: 'jobs',
    equals: ['submissionId', 'live'],
    orderBy: 'index',
    direction: 'asc',
  },
  activeJobsOfLane: {
    collection: 'jobs',
    equals: ['lane', 'active'],
    orderBy: 'order',
    direction: 'asc',
  },
  jobsOfLaneByState: {
    collection: 'jobs',
    equals: ['lane', 'state'],
    orderBy: 'notBefore',
    direction: 'asc',
    range: 'atMost',
  },
  stuckClaims: {
    collection: 'jobs',
    equals: ['lane', 'state'],
    orderBy: 'claimUntil',
    direction: 'asc',
    range: 'atMost',
  },
  buildsByState: {
    collection: 'builds',
    equals: ['state'],
    orderBy: 'startedAt',
    direction: 'asc',
  },
} as const satisfies Record<string, QuerySpec>;

/** A query of the catalogue. */
export type QueryName = keyof typeof QUERIES;

/** The collection a query reads. */
export type QueryCollection<Q extends QueryName> = (typeof QUERIES)[Q]['collection'];

type OptionalOf<Q extends QueryName> = (typeof QUERIES)[Q] extends {
  readonly optional: readonly (infer F extends string)[];
}
  ? F
  : never;

/** What a query takes: its equalities, and where it has them, optional equalities, a facet, and `atMost`. */
export type QueryParams<Q extends QueryName> = {
  readonly [F in (typeof QUERIES)[Q]['equals'][number]]: Scalar;
} & {
  readonly [F in OptionalOf<Q>]?: Scalar;
} & ((typeof QUERIES)[Q] extends { readonly facet: true } ? { readonly facet?: string } : unknown) &
  ((typeof QUERIES)[Q] extends { readonly range: 'atMost' }
    ? { readonly atMost?: number }
    : unknown);
