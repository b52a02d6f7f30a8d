import type { Clock, Log } from '../../../../ports/runtime.ts';
import type { AttemptFiles } from '../../attempts/attempt-files.ts';
import { EngineSilent } from '../engine/engine-call.ts';
import { refOfLabels } from './container-names.ts';
import type { Containers, ListedContainer } from './containers.ts';

/** What looking after containers without a living attempt needs. */
export interface StrayDeps {
  readonly files: Pick<AttemptFiles, 'exists' | 'readEnd'>;
  readonly containers: Pick<Containers, 'remove'>;
  readonly service: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

/** Between two tries of what could not be done. */
const WAIT_MS = { first: 10_000, longest: 3_600_000 } as const;

/** A stray that could not be looked after. */
interface Trouble {
  readonly waitMs: number;
  readonly until: number;
}

/**
 * Removes a service's containers whose attempts have ended: a crash came in between, or a request that was taken for lost came late.
 * What no attempt is known of is somebody else's matter: it is named once and left alone. One that cannot be removed is named once and
 * tried again with growing waits; it keeps no other waiting.
 */
export function createStrays(deps: StrayDeps) {
  const { files, containers, service, clock, log } = deps;
  const named = new Set<string>();
  const troubles = new Map<string, Trouble>();

  async function lookAt({ id, labels, status }: ListedContainer): Promise<void> {
    const ref = refOfLabels(service, labels);
    if (ref !== null && (await files.readEnd(ref)) !== null) {
      if (status === 'running') {
        nameOnce(id, { ref }, 'a container runs although its job is over; removed');
      }
      await containers.remove(id, true);
      return;
    }
    const isKnown = ref !== null && (await files.exists(ref));
    if (!isKnown) nameOnce(id, { ref }, 'a container has our label, but no job; left alone');
  }

  function nameOnce(id: string, fields: object, words: string): void {
    if (named.has(id)) return;
    named.add(id);
    log.warn({ ...fields, container: id }, words);
  }

  function postpone(id: string, error: unknown): void {
    const before = troubles.get(id);
    const waitMs = Math.min(WAIT_MS.longest, before ? before.waitMs * 2 : WAIT_MS.first);
    troubles.set(id, { waitMs, until: clock.now() + waitMs });
    if (before === undefined) {
      log.warn({ err: error, container: id }, 'a container of an ended job cannot be removed');
    }
  }

  async function lookIfDue(stray: ListedContainer): Promise<void> {
    const { id } = stray;
    if (clock.now() < (troubles.get(id)?.until ?? 0)) return;
    try {
      await lookAt(stray);
      troubles.delete(id);
    } catch (error) {
      // The others would not be answered either; but an engine that is only late may be stuck with this one.
      if (error instanceof EngineSilent && error.why !== 'late') throw error;
      postpone(id, error);
    }
  }

  async function lookAtAll(strays: readonly ListedContainer[]): Promise<void> {
    const there = new Set(strays.map(({ id }) => id));
    for (const id of [...named, ...troubles.keys()]) {
      if (there.has(id)) continue;
      named.delete(id);
      troubles.delete(id);
    }
    for (const stray of strays) await lookIfDue(stray);
  }

  let isTidying = false;
  return {
    /** Nothing while it is under way already: what is left is seen at the next look. Throws EngineSilent. */
    async tidy(strays: readonly ListedContainer[]): Promise<void> {
      if (isTidying) return;
      isTidying = true;
      await lookAtAll(strays).finally(() => {
        isTidying = false;
      });
    },
  };
}
