import * as z from 'zod';
import { count, instant, nextCursor, pageQuery } from './page.ts';

/** A group by id and name. */
export const groupRef = z
  .object({ id: z.string(), owner: z.string(), name: z.string() })
  .meta({ id: 'GroupRef' });

/** Jobs by the state a user sees. */
export const countsView = z
  .object({
    SUBMITTED: count,
    RUNNING: count,
    SUCCEEDED: count,
    FAILED: count,
    STOPPED: count,
    UNKNOWN: count,
    total: count,
    /** When they were counted. */
    at: instant,
  })
  .meta({ id: 'Counts' });

/** Counts by state. */
export type CountsView = z.infer<typeof countsView>;

/** A group with its counts. */
export const groupView = groupRef
  .extend({ createdAt: instant, counts: countsView })
  .meta({ id: 'Group' });

/** A group as shown. */
export type GroupView = z.infer<typeof groupView>;

/** `GET /v1/groups`: newest first; `owner` may be a principal, default the caller, `*` for everyone's. */
export const groupsQuery = z.object({ ...pageQuery, owner: z.string().max(200).optional() });

/** A page of groups. */
export const groupsPage = z
  .object({ groups: z.array(groupView), next: nextCursor })
  .meta({ id: 'GroupsPage' });

/** `POST /v1/groups/{g}/stop`; with `dryRun` nothing is stopped. */
export const stopRequest = z
  .strictObject({ dryRun: z.boolean().default(false) })
  .meta({ id: 'StopRequest' });

/** What a stop reaches: live jobs that are waiting or on their platform, and experiments that will not become jobs. */
export const stopView = z
  .object({
    dryRun: z.boolean(),
    waiting: count,
    active: count,
    notCreated: count,
    submissions: count,
  })
  .meta({ id: 'Stop' });

/** What a stop reaches. */
export type StopView = z.infer<typeof stopView>;
