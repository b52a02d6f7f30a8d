import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { destination, pino } from 'pino';
import packageJson from '../../package.json' with { type: 'json' };
import type { Clock, Log, Random } from '../ports/runtime.ts';

/** Version of the service. */
export const VERSION: string = packageJson.version;

/** The environment of this process; jobs and builds get a named part of it. */
export function environment(): Readonly<Record<string, string | undefined>> {
  // biome-ignore lint/style/noProcessEnv: the one place where the service's own environment is read.
  return process.env;
}

/** The machine's clock. Each request sleeps once for its deadline, so this is a plain timer (timers/promises costs 20 µs more). */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const abort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', abort, { once: true });
    }),
};

/** The machine's randomness. */
export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => randomBytes(10).toString('hex'),
};

/** A log that nobody reads. */
export const SILENT: Log = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const LARGEST_LOG_BYTES = 64 * 1024 * 1024;
const MOST_HELD_BYTES = 1024 * 1024;

/**
 * The service's own log: JSON lines in a file, synchronous so that a crash loses none; one older file is kept.
 * An `error` that is an Error is told with its stack. Lines after `close` are dropped.
 */
export function openServiceLog(path: string): Log & { close(): void } {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LARGEST_LOG_BYTES)
    renameSync(path, `${path}.1`);
  const file = destination({ dest: path, sync: true, mode: 0o600, maxLength: MOST_HELD_BYTES });
  // A full disk costs lines, never the service; what is held is written once there is room.
  file.on('error', () => undefined);
  const log = pino({ messageKey: 'message', base: { pid: process.pid } }, file);
  let isOpen = true;
  const write = (level: 'info' | 'warn' | 'error'): Log['info'] => {
    return (fields, message) => {
      if (isOpen) log[level](withStack(fields), message);
    };
  };
  return {
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    close() {
      if (isOpen) file.end();
      isOpen = false;
    },
  };
}

// pino tells the stack of what is named `err`.
function withStack(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { error, ...rest } = fields;
  return error instanceof Error ? { ...rest, err: error } : fields;
}
