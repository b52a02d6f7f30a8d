import type { DestinationStream } from 'pino';
import type { LogLevel } from '../../shared/operating/log-level.ts';
import type { Log } from '../ports/runtime.ts';
import { createLogLines } from '../runtime/log-lines.ts';

// Severities of Cloud Logging (https://cloud.google.com/logging/docs/structured-logging, read 2026-11).
const SEVERITY: Readonly<Record<string, string>> = {
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
};

/** The log of a function: lines of JSON on standard output, which Cloud Logging takes as they are. */
export function createHostedLog(
  level: LogLevel,
  destination: DestinationStream = process.stdout,
): Log {
  return createLogLines({
    level,
    destination,
    base: {},
    levelField: (label) => ({ severity: SEVERITY[label] ?? 'DEFAULT' }),
    clean: (text) => text,
  });
}
