import * as z from 'zod';
import type { LogLine } from './log-cursor.ts';
import { filterText } from './vertex-labels.ts';

// google.logging.v2.LogEntry as the generated client decodes it, the part that is read.
const entry = z.object({
  timestamp: z
    .object({
      seconds: z.union([z.string(), z.number(), z.unknown()]),
      nanos: z.number().nullish(),
    })
    .nullish(),
  insertId: z.string().nullish(),
  textPayload: z.string().nullish(),
  jsonPayload: z.object({ fields: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});
const message = z.object({ stringValue: z.string() });

/** The line of an entry, or null for one without time or text. */
export function lineOf(value: unknown): LogLine | null {
  const parsed = entry.safeParse(value);
  if (!parsed.success) return null;
  const { timestamp, insertId, textPayload, jsonPayload } = parsed.data;
  const seconds = Number(timestamp?.seconds);
  if (timestamp == null || !Number.isFinite(seconds)) return null;
  const text = textOf(textPayload, jsonPayload?.fields);
  return {
    timestamp: nanoText(seconds, timestamp.nanos ?? 0),
    insertId: insertId ?? '',
    text: text.endsWith('\n') ? text : `${text}\n`,
  };
}

/** UTC ms as RFC 3339 with nine digits of a second: the last nanosecond of that millisecond when `end`. */
export function instantText(ms: number, end = false): string {
  const seconds = Math.floor(ms / 1000);
  return nanoText(seconds, (ms - seconds * 1000) * 1e6 + (end ? 999_999 : 0));
}

/**
 * The filter of what a program printed, from an instant on and up to another. `NOT`, because what has no such label is wanted too; a
 * job's own words about itself are in its history.
 */
export function jobLogFilter(jobId: string, from: string, until: string): string {
  return [
    'resource.type="ml_job"',
    `resource.labels.job_id=${filterText(jobId)}`,
    'NOT resource.labels.task_name="service"',
    ...(from === '' ? [] : [`timestamp>=${filterText(from)}`]),
    `timestamp<=${filterText(until)}`,
  ].join(' AND ');
}

// What Vertex AI's agent reads from a container is a jsonPayload with `message`; programs that log by themselves write other fields too.
function textOf(
  plain: string | null | undefined,
  fields: Readonly<Record<string, unknown>> | null | undefined,
): string {
  if (typeof plain === 'string' && plain !== '') return plain;
  if (fields == null) return '';
  const told = message.safeParse(fields['message']);
  return told.success ? told.data.stringValue : JSON.stringify(fields);
}

function nanoText(seconds: number, nanos: number): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${whole}.${String(Math.floor(nanos)).padStart(9, '0')}Z`;
}
