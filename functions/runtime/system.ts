import { randomBytes } from 'node:crypto';
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
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  within: (_, body) => body(),
};
