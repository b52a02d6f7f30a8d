import { timestampOfNanos } from '../google-api/comparing.ts';

/** In rising order (google/logging/type/log_severity.proto). */
export const SEVERITIES = [
  'DEFAULT',
  'DEBUG',
  'INFO',
  'NOTICE',
  'WARNING',
  'ERROR',
  'CRITICAL',
  'ALERT',
  'EMERGENCY',
] as const;

/** What is written to the log: one of `text` (a textPayload) and `message` (of a jsonPayload, with what else it holds). */
export interface NewEntry {
  /** As in `projects/ID/logs/NAME`. */
  readonly logName: string;
  readonly resource: { readonly type: string; readonly labels: Readonly<Record<string, string>> };
  readonly severity: (typeof SEVERITIES)[number];
  /** UTC nanoseconds. */
  readonly timestamp: bigint;
  readonly text?: string;
  readonly message?: string;
  /** More text fields of the jsonPayload. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface StoredEntry extends NewEntry {
  readonly projectNumber: string;
  readonly insertId: string;
  /** UTC nanoseconds. */
  readonly received: bigint;
  readonly labels: Readonly<Record<string, string>>;
}

/** `google.logging.v2.LogEntry`. */
export function wireEntry(entry: StoredEntry): object {
  const { logName, resource, severity, insertId, labels, text, message, fields } = entry;
  const texts = Object.entries({ message: message ?? '', ...fields });
  const payload =
    message === undefined
      ? { textPayload: text ?? '' }
      : {
          jsonPayload: {
            fields: Object.fromEntries(texts.map(([key, value]) => [key, { stringValue: value }])),
          },
        };
  return {
    logName,
    resource,
    severity,
    insertId,
    labels,
    ...payload,
    timestamp: timestampOfNanos(entry.timestamp),
    receiveTimestamp: timestampOfNanos(entry.received),
  };
}
