import type { CoreDeps } from '../core/deps.ts';
import { drainLane } from '../core/drain.ts';
import { endSubmission } from '../core/ending.ts';
import { expandChunk } from '../core/expand.ts';
import { prepareImage } from '../core/image.ts';
import { verifyLayer } from '../core/verify-layer.ts';
import type { Message } from '../ports/message.ts';

/** Handles one message; resolves when it is done and may be forgotten. Idempotent; a throw means: deliver it again. */
export function consume(deps: CoreDeps, message: Message): Promise<void> {
  switch (message.kind) {
    case 'image':
      return prepareImage(deps, message.submissionId);
    case 'expand':
      return expandChunk(deps, message);
    case 'drain':
      return drainLane(deps, message.lane);
    case 'stop':
      return endSubmission(deps, message.submissionId);
    case 'verify':
      return verifyLayer(deps, message.diffId);
    default:
      return unknownMessage(message);
  }
}

function unknownMessage(message: never): never {
  throw new Error(`unknown message ${JSON.stringify(message)}`);
}
