import type { Log } from '../ports/runtime.ts';
import type { Closers } from './closers.ts';
import type { Door } from './door.ts';
import type { IdleWatch } from './idle.ts';

/** A service that listens, and what ends it. */
export interface Serving {
  /** The user's wish. */
  readonly signal: AbortSignal;
  readonly idle: Pick<IdleWatch, 'run' | 'isNeeded'>;
  readonly door: Pick<Door, 'refuse' | 'admit'>;
  /** Ends the service's loops and streams. */
  readonly ending: AbortController;
  readonly closers: Closers;
  readonly log: Log;
}

/**
 * Serves until the signal, or until nobody needs the service. Then nobody finds it, nobody is let in, what runs ends; what was
 * opened first, the lock, is closed last. Does not throw.
 */
export async function serveUntilEnd(serving: Serving): Promise<void> {
  const { ending, closers, log } = serving;
  try {
    await untilEnd(serving);
  } catch (error) {
    log.error({ error }, 'ending: the serve file cannot be kept');
  } finally {
    ending.abort();
    await closers.closeAll(log);
  }
}

async function untilEnd({ signal, idle, door, ending, log }: Serving): Promise<void> {
  const asked = untilAborted(signal);
  for (;;) {
    await Promise.race([asked, idle.run(ending.signal)]);
    await door.refuse();
    // A request may have come while the watch made up its mind.
    if (signal.aborted || !(await idle.isNeeded())) break;
    await door.admit();
  }
  log.info({}, signal.aborted ? 'ending: asked to' : 'ending: idle');
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
