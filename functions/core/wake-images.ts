import type { Message } from '../ports/message.ts';
import type { CoreDeps } from './deps.ts';
import { commitAndPublish } from './outbox.ts';

/** Submissions looked at again after one build: the others have waits of their own. */
const MOST = 50;

/** Lets submissions that wait for their image look again now: a build may have ended. A hint, which nothing depends on. */
export async function wakeImages(deps: CoreDeps): Promise<void> {
  const waiting = await deps.store.list(
    'submissionsAwaitingImage',
    { imageState: 'waiting', ending: 'none' },
    { limit: MOST },
  );
  const outgoing = waiting.items.map(({ value }) => ({
    message: { kind: 'image', submissionId: value.id } satisfies Message,
  }));
  if (outgoing.length > 0) await commitAndPublish(deps, [], outgoing);
}
