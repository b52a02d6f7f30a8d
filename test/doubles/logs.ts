import { AsyncLocalStorage } from 'node:async_hooks';
import type { Log, LogFields } from '../../functions/ports/runtime.ts';

/** A line as it was logged; `fields` with those of what it was logged within. */
export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: LogFields;
  readonly message: string;
}

/** A log that hands each line on. */
export function logTo(take: (line: LoggedLine) => void): Log {
  const scope = new AsyncLocalStorage<LogFields>();
  const write =
    (level: LoggedLine['level']): Log['info'] =>
    (fields, message) =>
      take({ level, fields: { ...scope.getStore(), ...fields }, message });
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    within: (fields, body) => scope.run({ ...scope.getStore(), ...fields }, body),
  };
}

/** A log that nobody reads. */
export const SILENT_LOG: Log = logTo(() => undefined);
