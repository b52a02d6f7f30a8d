import type { Family } from '../core/meters.ts';
import type { ReadyCheck } from '../core/readiness.ts';

/** What a host knows of its own process, for those who operate it. */
export interface ProcessWatch {
  /** Parts that must work before the service takes work, besides its store. */
  readonly checks: readonly ReadyCheck[];
  /** Memory, processor time and the like, as they are now. */
  families(): readonly Family[];
}

/** A host that knows nothing of itself. */
export const NOTHING_WATCHED: ProcessWatch = { checks: [], families: () => [] };
