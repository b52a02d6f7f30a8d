import type { CoreDeps } from './deps.ts';
import { commitAndPublish } from './outbox.ts';

/** Ends an upload. A store that verifies later is asked to by a message. Throws what the store's `complete` throws. */
export async function completeLayer(
  deps: Pick<CoreDeps, 'clock' | 'layers' | 'log' | 'queue' | 'random' | 'store'>,
  diffId: string,
): Promise<'verified' | 'complete'> {
  const state = await deps.layers.complete(diffId);
  if (state === 'complete') {
    await commitAndPublish(deps, [], [{ message: { kind: 'verify', diffId } }]);
  }
  return state;
}
