import { AsyncLocalStorage } from 'node:async_hooks';
import { pino } from 'pino';
import { LIMITS } from '../../shared/api/limits.ts';
import type { LogLevel } from '../../shared/operating/log-level.ts';
import type { Log, LogFields } from '../ports/runtime.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { createRedactor } from './secrets.ts';

/** The longest text that a line tells (characters), by the name of its field. */
const LONGEST: Readonly<Record<string, number>> = { path: 300, stack: 4_000, error: 4_000 };
const LONGEST_OTHER = 1_000;

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
 * The service's own log: lines of JSON in a file, kept as {@link openLogFile} says; an error is written at once. An `error` (or `err`) that is an
 * Error is told with its stack, and with nothing else that hangs on it: Node hangs a program's arguments on some.
 */
export function openServiceLog(options: ServiceLogOptions): ServiceLog {
  const { path, level = 'info', secrets = [], maxBytes = LIMITS.logBytes } = options;
  const clean = createRedactor(secrets);
  const bounded = boundedBy(clean);
  const file = openLogFile({
    ...{ path, maxBytes, clean },
    onGap: (lost) => log.warn({ lost }, 'lines of this log were lost'),
  });
  const lines = pino(
    {
      ...{ level, messageKey: 'message', base: { pid: process.pid } },
      timestamp: createTimeField(),
      formatters: { level: (label) => ({ level: label }), log: bounded },
      serializers: { err: (error: unknown) => bounded(plainError(error)) },
    },
    file,
  );
  const scope = new AsyncLocalStorage<LogFields>();
  const write =
    (at: LogLevel): Log['info'] =>
    (fields, message) => {
      const told = fields['error'] instanceof Error ? withStack(fields) : fields;
      const around = scope.getStore();
      lines[at](around === undefined ? told : { ...around, ...told }, message);
    };
  const log: ServiceLog = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error(fields, message) {
      write('error')(fields, message);
      file.flush();
    },
    within: (fields, body) => scope.run({ ...scope.getStore(), ...fields }, body),
    lost: () => file.lost(),
    failure: () => file.failure(),
    close: () => file.close(),
  };
  return log;
}

// As text, to be read by people. Made anew for each line it would cost as much as half of the line.
function createTimeField(): () => string {
  let second = Number.NaN;
  let text = '';
  return () => {
    const now = Date.now();
    const ms = now % 1_000;
    if (now - ms !== second) {
      second = now - ms;
      text = new Date(second).toISOString().slice(0, -'000Z'.length);
    }
    return `,"time":"${text}${String(ms).padStart(3, '0')}Z"`;
  };
}

// pino tells what is named `err` by its serializer.
function withStack({ error, ...rest }: LogFields): LogFields {
  return { ...rest, err: error };
}

function plainError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  return {
    type: name,
    message,
    ...('code' in error ? { code: String(error.code) } : {}),
    stack,
    ...(cause === undefined ? {} : { cause: String(cause) }),
  };
}

// Secrets first: of one that is cut the rest would not be known again.
function boundedBy(clean: (text: string) => string) {
  return (fields: Record<string, unknown>): Record<string, unknown> => {
    let bounded = fields;
    for (const [name, value] of Object.entries(fields)) {
      const longest = LONGEST[name] ?? LONGEST_OTHER;
      if (typeof value !== 'string' || value.length <= longest) continue;
      bounded = { ...bounded, [name]: clean(value).slice(0, longest) };
    }
    return bounded;
  };
}
