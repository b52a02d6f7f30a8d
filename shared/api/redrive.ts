import * as z from 'zod';

/** Kinds of messages that may be asked for; all of what the service's queue carries. */
export const REDRIVE_KINDS = ['stop', 'verify', 'image', 'drain', 'expand'] as const;

/** One of {@link REDRIVE_KINDS}. */
export type RedriveKind = (typeof REDRIVE_KINDS)[number];

/** `POST /v1/admin/redrive`; with `dryRun` nothing is tried again. Without `kind`: every kind. */
export const redriveRequest = z
  .strictObject({ dryRun: z.boolean().default(false), kind: z.enum(REDRIVE_KINDS).optional() })
  .meta({ id: 'RedriveRequest' });

/** What is tried again, or would be. */
export const redriveView = z
  .object({
    dryRun: z.boolean(),
    /** Messages that the service had put aside after ten failures. */
    parked: z.number(),
    /** Messages that the queue had given up; always 0 on one machine. */
    dead: z.number(),
    /** Of the dead ones, those that this version of the service cannot read; they stay. */
    unreadable: z.number(),
    /** There may be more than one answer deals with: ask again. */
    more: z.boolean(),
  })
  .meta({ id: 'RedriveView' });

/** An answer of the redrive. */
export type RedriveView = z.infer<typeof redriveView>;
