import { LIMITS } from '../../shared/api/limits.ts';
import type { CoreDeps } from './deps.ts';

/** A part that must work before the service takes work. */
export interface ReadyCheck {
  readonly part: string;
  /** What is wrong with it, as the rest of a sentence that begins with the part; null: nothing. Must not throw. */
  look(): Promise<string | null>;
}

/** A part that is not ready. `message` names no path and no address: whoever asks needs no token. */
export interface NotReady {
  readonly part: string;
  readonly message: string;
}

/** Which parts are not ready; the store is looked at first. */
export async function findNotReady(
  deps: Pick<CoreDeps, 'store' | 'clock'>,
  checks: readonly ReadyCheck[],
): Promise<readonly NotReady[]> {
  const all = [{ part: 'store', look: () => lookAtStore(deps) }, ...checks];
  const found = await Promise.all(
    all.map(async ({ part, look }) => ({ part, message: await look() })),
  );
  return found.flatMap(({ part, message }) => (message === null ? [] : [{ part, message }]));
}

async function lookAtStore({ store, clock }: Pick<CoreDeps, 'store' | 'clock'>) {
  const answered = new AbortController();
  const late = clock.sleep(LIMITS.storeReadMs, answered.signal).then(
    () => `has not answered a read within ${LIMITS.storeReadMs / 1_000} s`,
    () => null,
  );
  const read = store.list('lanes', {}, { limit: 1 }).then(
    () => null,
    () => 'does not answer a read',
  );
  const found = await Promise.race([read, late]);
  answered.abort();
  return found;
}

/** Looks at a loop by when it last turned (UTC ms). */
export function loopCheck(
  part: string,
  clock: Pick<CoreDeps['clock'], 'now'>,
  turnedAt: () => number,
): ReadyCheck {
  return {
    part,
    async look() {
      const quietMs = clock.now() - turnedAt();
      if (quietMs < LIMITS.loopTurnMs) return null;
      return `has done nothing for ${Math.floor(quietMs / 1_000)} s`;
    },
  };
}
