import * as z from 'zod';

/** What can differ. Kinds are API: add freely, never rename. docs/operating.md has a row for each (a test holds them together). */
export const DIFFERENCE_KINDS = [
  'counts', // kept counts are not what a count gives
  'group', // a group's id is not that of its owner and name
  'submission', // a submission contradicts itself, is not as accepted, or what it names is missing
  'expansion', // chunks or jobs of a submission are not as many as it says
  'ending', // a submission that is said to be over is not
  'open', // a submission is offered to the drainer and should not be, or the other way round
  'stuck', // nothing is left that would carry a submission on
  'layer', // a layer that a submission names is missing or damaged
  'build', // dependencies that are said to be ready are not
  'job', // a job contradicts itself or its config, or what it names is missing
  'experiment', // an experiment is not what the config says
  'history', // a job's moves are not legal, or do not lead to its state
  'message', // a message was parked, or speaks of what does not exist
  'attempt', // files of an attempt without its job, or the other way round, or another end
  'database', // the database file is damaged, or what follows from its documents is wrong
] as const;

/** One of {@link DIFFERENCE_KINDS}. */
export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number];

/** One thing that is not as it should be. */
export const differenceView = z
  .object({
    kind: z.string(),
    /** What it is about, for people. */
    subject: z.string(),
    /** Ids of what it is about, by name. */
    ids: z.record(z.string(), z.string()),
    found: z.string(),
    expected: z.string(),
    /** What to do about it. */
    fix: z.string(),
  })
  .meta({ id: 'Difference' });

/** A difference as shown. */
export type DifferenceView = z.infer<typeof differenceView>;

/** `GET /v1/admin/check`: a part of the check; send `next` back as `cursor` until it is null. */
export const checkPage = z
  .object({
    differences: z.array(differenceView),
    /** How many of what were looked at in this part. */
    looked: z.record(z.string(), z.number()),
    next: z.string().nullable(),
  })
  .meta({ id: 'CheckPage' });

/** A part of the check. */
export type CheckPage = z.infer<typeof checkPage>;
