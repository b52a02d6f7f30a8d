import * as z from 'zod';
import { AppError } from '../../../shared/errors/app-error.ts';
import { filterText, labelFilter } from './vertex-labels.ts';
import { ENDED_STATES, LIVE_STATES } from './vertex-observation.ts';

/** Where a pass over a lane's jobs stands. First those that live, then those that ended and were created at `createdFrom` or later. */
const place = z.strictObject({
  phase: z.enum(['live', 'ended']),
  /** Vertex's own place within the phase; '' is its beginning. */
  token: z.string().max(4_000),
  /** When the pass began (ms). */
  startedAt: z.number(),
  /** The earliest creation of a job seen alive so far (ms), or `startedAt`. */
  oldestLive: z.number(),
  createdFrom: z.number(),
});
export type ListPlace = z.infer<typeof place>;

/** What a pass found out about a lane: jobs that ended at `at` or later were created at `createdFrom` or later. */
export interface LiveFloor {
  readonly at: number;
  readonly createdFrom: number;
}

/** Beyond the run time: how long a job may have waited before it ran. Who waited longer is found by the full pass, one by one. */
const LONGEST_WAIT_MS = 7 * 24 * 3_600_000;
/** By how much Google's clock and ours may differ. */
const SKEW_MS = 60_000;

/**
 * The beginning of a pass. The API's filter knows when jobs were created, not when they ended: of the ended ones those are asked for that
 * can have ended since then. How far back that is follows from the jobs that lived at a look before `since`; without one, from how long
 * a job can take at most.
 */
export function firstPlace(
  since: number,
  now: number,
  known: { readonly floors: readonly LiveFloor[]; readonly timeoutMs: number },
): ListPlace {
  const usable = known.floors.filter(({ at }) => at <= since);
  const newest = usable.toSorted((a, b) => b.at - a.at)[0];
  const createdFrom = newest?.createdFrom ?? since - known.timeoutMs - LONGEST_WAIT_MS;
  return { phase: 'live', token: '', startedAt: now, oldestLive: now, createdFrom };
}

/**
 * What the end of the first phase tells to later passes. A job that ended after `now` lived while all pages were read, and shows in them
 * unless it was created within the list's lag.
 */
export function floorOf(
  { startedAt, oldestLive }: ListPlace,
  now: number,
  lagMs: number,
): LiveFloor {
  return { at: now, createdFrom: Math.min(oldestLive, startedAt - lagMs) - SKEW_MS };
}

/** The filter of a place: equalities joined by AND, all that the API's reference shows. A state that is new there counts as alive. */
export function listFilter(
  instanceLabel: string,
  { phase, createdFrom }: Pick<ListPlace, 'phase' | 'createdFrom'>,
): string {
  const others = phase === 'live' ? ENDED_STATES : LIVE_STATES;
  const terms = [
    labelFilter(instanceLabel),
    ...others.map((state) => `state!=${filterText(state)}`),
  ];
  if (phase === 'ended') {
    const from = new Date(Math.max(0, createdFrom)).toISOString();
    terms.push(`create_time>=${filterText(from)}`);
  }
  return terms.join(' AND ');
}

/** A place as an opaque text. */
export function encodePlace(at: ListPlace): string {
  return Buffer.from(JSON.stringify(at)).toString('base64url');
}

/** Reads what `encodePlace` made. Throws AppError CURSOR_INVALID. */
export function decodePlace(cursor: string): ListPlace {
  try {
    return place.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
  } catch (cause) {
    throw new AppError('CURSOR_INVALID', 'This is no cursor of a list of Vertex AI.', {
      hint: 'Begin again without a cursor.',
      cause,
    });
  }
}
