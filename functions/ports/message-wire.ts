import * as z from 'zod';
import { AppError } from '../../shared/errors/app-error.ts';
import { MESSAGE_KINDS, type Message } from './message.ts';

/** The version of messages that this build sends, and the newest it reads. */
export const MESSAGE_VERSION = 1;

const id = z.string().min(1).max(200);
const message = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('image'), submissionId: id }),
  z.object({ kind: z.literal('expand'), submissionId: id, chunk: z.int().min(0) }),
  z.object({ kind: z.literal('drain'), lane: id }),
  z.object({ kind: z.literal('stop'), submissionId: id }),
  z.object({ kind: z.literal('verify'), diffId: id }),
]);
const versioned = z.object({ schemaVersion: z.int().min(1) });

/** A message as it travels: JSON with its version. */
export function encodeMessage(content: Message): string {
  return JSON.stringify({ schemaVersion: MESSAGE_VERSION, ...content });
}

/** Reads what {@link encodeMessage} wrote. Throws AppErrors SCHEMA_TOO_NEW, and REQUEST_INVALID for anything else. */
export function parseMessage(text: string): Message {
  const value = jsonOf(text);
  const version = versioned.safeParse(value).data?.schemaVersion;
  if (version !== undefined && version > MESSAGE_VERSION) {
    throw new AppError(
      'SCHEMA_TOO_NEW',
      `A message has version ${version}; this service reads up to ${MESSAGE_VERSION}.`,
      { hint: 'Update the service, then: caliban admin redrive', context: { version } },
    );
  }
  const parsed = message.safeParse(value);
  if (version !== undefined && parsed.success) return parsed.data;
  const problem = version === undefined ? 'it has no schemaVersion' : problemOf(parsed.error);
  throw new AppError('REQUEST_INVALID', `This is no message of this service: ${problem}.`, {
    hint: `Its topics take only what it publishes itself; kinds are ${MESSAGE_KINDS.join(', ')}.`,
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemOf(error: z.ZodError | undefined): string {
  const [issue] = error?.issues ?? [];
  if (issue === undefined) return 'it cannot be read';
  return `${issue.path.map(String).join('.') || 'message'}: ${issue.message}`;
}
