import * as z from 'zod';
import { AppError } from '../../../../shared/errors/app-error.ts';

/** Version of the small JSON files beside layers and uploads. */
const SCHEMA_VERSION = 1;

const DIGEST = z.string().regex(/^[0-9a-f]{64}$/);
const SIZE = z.int().positive();
const DECLARATION = z.object({
  diffId: DIGEST,
  blobSize: SIZE,
  encoding: z.enum(['gzip', 'zstd', 'identity']),
  uncompressedSize: SIZE,
});
const VERSIONED = z.object({ schemaVersion: z.int() });

/** A verified layer: the file beside its blob. */
export const LAYER_RECORD = DECLARATION.extend({ blobDigest: DIGEST });
/** An open upload. `begunAt`: UTC milliseconds of the last `begin`. */
export const SESSION_RECORD = z.object({ declaration: DECLARATION, begunAt: z.number() });
/** A refused upload. */
export const FAILURE_RECORD = z.object({ reason: z.string(), failedAt: z.number() });

/** Text of a record's file. */
export function printRecord(record: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ schemaVersion: SCHEMA_VERSION, ...record })}\n`;
}

/**
 * The record in a file's text; undefined when there is none or it is damaged, as by a disk that lost power: the upload is
 * then made again. Throws AppError SCHEMA_TOO_NEW for a file of a later version.
 */
export function parseRecord<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  const value = parseJson(text);
  const version = VERSIONED.safeParse(value).data?.schemaVersion;
  if (version === undefined) return undefined;
  if (version > SCHEMA_VERSION) {
    throw new AppError(
      'SCHEMA_TOO_NEW',
      `A layer of this data directory was written in version ${version}; this caliban reads up to ${SCHEMA_VERSION}.`,
      { hint: 'Update caliban, or name another directory with --data_dir.' },
    );
  }
  return schema.safeParse(value).data;
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
