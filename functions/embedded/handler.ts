import { consume } from '../consumers/consume.ts';
import type { CoreDeps } from '../core/deps.ts';
import { commitAndPublish } from '../core/outbox.ts';
import type { Message } from '../ports/message.ts';
import type { LaneSignals } from './lane-signals.ts';

/**
 * Handles messages for this host. A handling that breaks off because the service ends is nobody's fault: its message is left to
 * the next start as a new one, without a failed attempt.
 */
export function createHandler(
  deps: CoreDeps,
  signals: LaneSignals,
  ending: AbortSignal,
): (message: Message) => Promise<void> {
  return async (message) => {
    if (message.kind === 'drain') signals.poke(message.lane);
    try {
      await consume(deps, message);
    } catch (error) {
      if (!ending.aborted) throw error;
      await commitAndPublish(deps, [], [{ message }]);
      deps.log.info({ ...message, reason: String(error) }, 'message left to the next start');
    }
  };
}
