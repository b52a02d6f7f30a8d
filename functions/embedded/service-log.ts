import { LIMITS } from '../../shared/api/limits.ts';
import type { LogLevel } from '../../shared/operating/log-level.ts';
import type { Log } from '../ports/runtime.ts';
import { createLogLines } from '../runtime/log-lines.ts';
import { createRedactor } from '../runtime/secrets.ts';
import { type LogFile, openLogFile } from './log-file.ts';

/** How to keep the log. */
export interface ServiceLogOptions {
  readonly path: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Tokens and passwords: should one ever be in a line, it is blotted out. */
  readonly secrets?: readonly string[];
  /** Default LIMITS.logBytes. */
  readonly maxBytes?: number;
}

/** The service's log, and how its file is doing. */
export interface ServiceLog extends Log, Pick<LogFile, 'lost' | 'failure'> {
  /** Writes what is held back. Lines after it are dropped. */
  close(): void;
}

/**
 * The service's own log: lines of JSON in a file, kept as {@link openLogFile} says; an error is written at once.
 */
export function openServiceLog(options: ServiceLogOptions): ServiceLog {
  const { path, level = 'info', secrets = [], maxBytes = LIMITS.logBytes } = options;
  const clean = createRedactor(secrets);
  const file = openLogFile({
    ...{ path, maxBytes, clean },
    onGap: (lost) => log.warn({ lost }, 'lines of this log were lost'),
  });
  const lines = createLogLines({ level, destination: file, base: { pid: process.pid }, clean });
  const log: ServiceLog = {
    ...lines,
    error(fields, message) {
      lines.error(fields, message);
      file.flush();
    },
    lost: () => file.lost(),
    failure: () => file.failure(),
    close: () => file.close(),
  };
  return log;
}
