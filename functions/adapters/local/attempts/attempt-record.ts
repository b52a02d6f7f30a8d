import * as z from 'zod';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { CAUSE_CODES } from '../../../../shared/jobs/cause.ts';
import type { PlatformJob } from '../../../ports/platform.ts';

const VERSION = 1;

/** What an attempt is made from. `order`: its place in the queue for a slot. */
export interface AttemptSpec {
  readonly schemaVersion: number;
  readonly order: number;
  readonly createdAt: number;
  readonly job: PlatformJob;
  /** Why it could not be read; then it only says which attempt it is, and nothing is started by it. */
  readonly damage?: string;
}

/** Names one process for ever: a pid alone is reused, also across boots. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, as the kernel words it; only compared for equality. */
  readonly start: string;
  readonly boot: string;
}

/** Who took the right to start the program. `supervisor` null: the words are not there (yet). */
export type AttemptStart =
  | { readonly kind: 'forbidden' }
  | { readonly kind: 'taken'; readonly at: number; readonly supervisor: ProcessIdentity | null };

/** How an attempt ended, once that was observed. */
export type AttemptEnd = z.infer<typeof endSchema>;

const words = z.array(z.string()).readonly();
const maybe = z.string().nullable();

const specSchema = z.object({
  schemaVersion: z.number(),
  order: z.number(),
  createdAt: z.number(),
  job: z.object({
    jobId: z.string(),
    attempt: z.number(),
    lane: z.string(),
    name: z.string(),
    run: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('image'), digest: z.string() }),
      z.object({ kind: z.literal('workspace'), venvKey: maybe, layers: words }),
    ]),
    command: words,
    args: words,
    labels: z.record(z.string(), z.string()),
    hardware: z.object({ gpu: maybe, tpu: maybe, machineType: maybe, region: maybe }),
    createBy: z.number(),
  }),
});

const endSchema = z.object({
  state: z.enum(['SUCCEEDED', 'FAILED', 'STOPPED']),
  startedAt: z.number().nullable(),
  finishedAt: z.number(),
  exitCode: z.number().nullable(),
  cause: z.object({ code: z.enum(CAUSE_CODES), message: z.string() }),
});

const exitSchema = z.object({ exitCode: z.number() });

/** A spec as it is stored. */
export function aSpec(job: PlatformJob, order: number, createdAt: number): AttemptSpec {
  return { schemaVersion: VERSION, order, createdAt, job };
}

/** Stands for a spec that cannot be read: enough to see a program that runs to its end, or to stop it. */
export function damagedSpec(
  { jobId, attempt }: Pick<PlatformJob, 'jobId' | 'attempt'>,
  now: number,
): AttemptSpec {
  const job: PlatformJob = {
    jobId,
    attempt,
    lane: '',
    name: jobId,
    run: { kind: 'workspace', venvKey: null, layers: [] },
    command: [],
    args: [],
    labels: {},
    hardware: { gpu: null, tpu: null, machineType: null, region: null },
    createBy: now,
  };
  return { ...aSpec(job, 0, now), damage: 'its files cannot be read; resubmit it.' };
}

/** Throws AppError SCHEMA_TOO_NEW when a newer caliban wrote it. */
export function parseSpec(text: string | null): AttemptSpec | null {
  if (text === null) return null;
  const json: unknown = JSON.parse(text);
  const version = z.object({ schemaVersion: z.number() }).parse(json).schemaVersion;
  if (version > VERSION) {
    throw new AppError(
      'SCHEMA_TOO_NEW',
      `A job's files have version ${version}; this caliban reads up to ${VERSION}.`,
      { hint: 'Update caliban, or use another --data_dir.' },
    );
  }
  return specSchema.parse(json);
}

/** The end as recorded, or null when there is none yet. */
export function parseEnd(text: string | null): AttemptEnd | null {
  return parsed(endSchema, text);
}

/** The exit status, or null: until the program has ended the file only holds the room for it. */
export function parseExit(text: string | null): number | null {
  return parsed(exitSchema, text)?.exitCode ?? null;
}

/** What `started` says: three lines of the supervisor, or our own word. */
export function parseStart(text: string, at: number): AttemptStart {
  if (text === 'never\n') return { kind: 'forbidden' };
  const [pid, start, boot] = text.split('\n');
  const complete = text.endsWith('\n') && Number(pid) > 1 && start && boot;
  const supervisor = complete ? { pid: Number(pid), start, boot } : null;
  return { kind: 'taken', at, supervisor };
}

function parsed<T>(schema: z.ZodType<T>, text: string | null): T | null {
  if (text === null) return null;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
