import type { Message } from '../../functions/ports/message.ts';
import { encodeMessage } from '../../functions/ports/message-wire.ts';

/** The JSON of a push as Pub/Sub sends it. */
export function aPush(message: Message, deliveryAttempt = 1, messageId = '7') {
  return {
    subscription: `projects/p/subscriptions/caliban-${message.kind}`,
    deliveryAttempt,
    message: {
      data: Buffer.from(encodeMessage(message)).toString('base64'),
      messageId,
      publishTime: '2026-12-01T00:00:00Z',
      attributes: { kind: message.kind },
    },
  };
}
