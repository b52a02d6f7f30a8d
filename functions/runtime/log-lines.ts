import { AsyncLocalStorage } from 'node:async_hooks';
import { type DestinationStream, pino } from 'pino';
import type { LogLevel } from '../../shared/operating/log-level.ts';
import type { Log, LogFields } from '../ports/runtime.ts';

/** The longest text that a line tells (characters), by the name of its field. */
const LONGEST: Readonly<Record<string, number>> = { path: 300, stack: 4_000, error: 4_000 };
const LONGEST_OTHER = 1_000;

/** How lines are written. */
export interface LogLinesOptions {
  readonly level: LogLevel;
  readonly destination: DestinationStream;
  /** What every line carries. */
  readonly base: Readonly<Record<string, unknown>>;
  /** How a line says its level; default `{ level }`. */
  readonly levelField?: (level: string) => Readonly<Record<string, unknown>>;
  /** Blots secrets out of a text. */
  readonly clean: (text: string) => string;
}

/**
 * Lines of JSON, bounded in length. An `error` that is an Error is told with its stack, and with nothing else that hangs on it: Node hangs a
 * program's arguments on some.
 */
export function createLogLines(options: LogLinesOptions): Log {
  const { level, destination, base, clean, levelField = (label) => ({ level: label }) } = options;
  const bounded = boundedBy(clean);
  const lines = pino(
    {
      ...{ level, messageKey: 'message', base },
      timestamp: createTimeField(),
      formatters: { level: (label) => ({ ...levelField(label) }), log: bounded },
      serializers: { err: (error: unknown) => bounded(plainError(error)) },
    },
    destination,
  );
  const scope = new AsyncLocalStorage<LogFields>();
  const write =
    (at: LogLevel): Log['info'] =>
    (fields, message) => {
      const told = fields['error'] instanceof Error ? withStack(fields) : fields;
      const around = scope.getStore();
      lines[at](around === undefined ? told : { ...around, ...told }, message);
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    within: (fields, body) => scope.run({ ...scope.getStore(), ...fields }, body),
  };
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
