import * as z from 'zod';
import { AppError } from '../../shared/errors/app-error.ts';
import type { Message } from '../ports/message.ts';
import { parseMessage } from '../ports/message-wire.ts';

/** What Pub/Sub pushes: the message, and what it tells of its delivery. */
export interface Push {
  readonly message: Message;
  readonly messageId: string;
  /** 1 for the first; null where the subscription has no dead letter topic, which is when Pub/Sub counts them. */
  readonly deliveryAttempt: number | null;
  readonly subscription: string;
  /** RFC 3339. */
  readonly publishTime: string;
}

// https://cloud.google.com/pubsub/docs/push#receive_push, read 2026-11. What else it holds (names in snake case) says the same again.
const envelope = z.object({
  subscription: z.string().min(1).max(500),
  deliveryAttempt: z.int().min(0).optional(),
  message: z.object({
    data: z.base64(),
    messageId: z.string().min(1).max(200),
    publishTime: z.string().max(100),
  }),
});

/** Reads the JSON of a push. Throws AppErrors REQUEST_INVALID, and SCHEMA_TOO_NEW for a message of a newer service. */
export function parsePush(body: unknown): Push {
  const parsed = envelope.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const problem = `${issue?.path.map(String).join('.') || 'body'}: ${issue?.message}`;
    throw new AppError('REQUEST_INVALID', `This is no push of Pub/Sub: ${problem}.`, {
      hint: 'The subscription must be a push subscription without payload unwrapping.',
    });
  }
  const { subscription, deliveryAttempt = 0, message } = parsed.data;
  return {
    message: parseMessage(Buffer.from(message.data, 'base64').toString()),
    messageId: message.messageId,
    deliveryAttempt: deliveryAttempt === 0 ? null : deliveryAttempt,
    subscription,
    publishTime: message.publishTime,
  };
}
