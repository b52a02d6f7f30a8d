import type { Log } from '../../../../ports/runtime.ts';
import type { AttemptFiles } from '../../attempts/attempt-files.ts';
import { refOfLabels } from './container-names.ts';
import type { Containers, ListedContainer } from './containers.ts';

/** What looking after containers without a living attempt needs. */
export interface StrayDeps {
  readonly files: AttemptFiles;
  readonly containers: Containers;
  readonly service: string;
  readonly log: Log;
}

/**
 * Removes a service's containers whose attempts have ended: a crash came in between, or a request that was taken for lost came late.
 * What no attempt is known of is somebody else's matter: it is named once and left alone.
 */
export function createStrays(deps: StrayDeps) {
  const named = new Set<string>();

  async function lookAt({ id, labels, status }: ListedContainer): Promise<void> {
    const ref = refOfLabels(deps.service, labels);
    if (ref !== null && (await deps.files.readEnd(ref)) !== null) {
      if (status === 'running') {
        deps.log.warn({ ref, container: id }, 'a container runs although its job is over; removed');
      }
      await deps.containers.remove(id, true);
      return;
    }
    const isKnown = ref !== null && (await deps.files.exists(ref));
    if (isKnown || named.has(id)) return;
    named.add(id);
    deps.log.warn({ ref, container: id }, 'a container has our label, but no job; left alone');
  }

  async function lookAtAll(strays: readonly ListedContainer[]): Promise<void> {
    const there = new Set(strays.map(({ id }) => id));
    for (const id of named) if (!there.has(id)) named.delete(id);
    for (const stray of strays) await lookAt(stray);
  }

  let isTidying = false;
  return {
    /** Nothing while it is under way already: what is left is seen at the next look. */
    async tidy(strays: readonly ListedContainer[]): Promise<void> {
      if (isTidying) return;
      isTidying = true;
      await lookAtAll(strays).finally(() => {
        isTidying = false;
      });
    },
  };
}
