import type { CoreDeps } from '../core/deps.ts';
import { isHostTrouble } from '../ports/host-trouble.ts';

/** A message that failed so often by itself is parked. */
export const MAX_ATTEMPTS = 10;
/** Between two tries while the records cannot be written. */
const TROUBLE_MS = 2_000;
const BACKOFF_MS = { first: 500, longest: 60_000 } as const;

/**
 * Attempts that count after a failed one, and how long to wait for the next. That the records could not be written is no fault of
 * the message: however long that lasts, it must not be parked for it.
 */
export function afterFailure(
  deps: Pick<CoreDeps, 'random'>,
  before: number,
  error: unknown,
): { readonly attempts: number; readonly waitMs: number } {
  const isCounted = !isHostTrouble(error);
  const attempts = before + (isCounted ? 1 : 0);
  const growing = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** (attempts - 1));
  const waitMs = (isCounted ? growing : TROUBLE_MS) * (0.5 + deps.random.next() / 2);
  return { attempts, waitMs };
}

/**
 * Commits, again and again while the records cannot be written, until `ending`. Whoever waits here keeps his place, so that nothing is
 * handled over and over while nothing can be written. Throws what the commit throws.
 */
export async function commitAtLast(
  deps: Pick<CoreDeps, 'clock'>,
  ending: AbortSignal,
  commit: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      return await commit();
    } catch (error) {
      if (!isHostTrouble(error) || ending.aborted) throw error;
    }
    await deps.clock.sleep(TROUBLE_MS, ending).catch(() => undefined);
  }
}
