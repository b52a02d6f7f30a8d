import type { JobDoc } from '../ports/documents.ts';
import { put, STORE_LIMIT, type Stored } from '../ports/store.ts';
import type { CoreDeps } from './deps.ts';
import { everyOf } from './records.ts';

/**
 * For a host that knows that it is alone, and whose platform creates nothing once it is dead: claims of an earlier life need no
 * grace, the next drainer finds out about them at once. Otherwise each of them would hold a place of the lane meanwhile.
 */
export async function freeClaims(deps: Pick<CoreDeps, 'store'>, lane: string): Promise<void> {
  const stuck: Stored<'jobs'>[] = [];
  for await (const job of everyOf(deps, 'stuckClaims', { lane, state: 'SUBMITTING' })) {
    stuck.push(job);
  }
  for (let from = 0; from < stuck.length; from += STORE_LIMIT) {
    await deps.store.commit(
      stuck
        .slice(from, from + STORE_LIMIT)
        .map(({ key, value, version }) => put(key, freed(value), { version })),
    );
  }
}

function freed(job: JobDoc): JobDoc {
  return { ...job, claimUntil: 0 };
}
