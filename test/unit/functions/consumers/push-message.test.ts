import { describe, test } from 'vitest';
import { parsePush } from '../../../../functions/consumers/push-message.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import { encodeMessage, parseMessage } from '../../../../functions/ports/message-wire.ts';
import { type AppError, isAppError } from '../../../../shared/errors/app-error.ts';
import { aPush } from '../../../doubles/a-push.ts';

const MESSAGES: readonly Message[] = [
  { kind: 'image', submissionId: 's1' },
  { kind: 'expand', submissionId: 's1', chunk: 0 },
  { kind: 'drain', lane: 'vertex:grüße:us-central1' },
  { kind: 'stop', submissionId: 's2' },
  { kind: 'verify', diffId: 'd'.repeat(64) },
];

describe('messages on their way', () => {
  test('arrive as they were sent, and carry their version', ({ expect }) => {
    for (const message of MESSAGES) {
      expect(parseMessage(encodeMessage(message))).toEqual(message);
      expect(JSON.parse(encodeMessage(message))).toMatchObject({ schemaVersion: 1 });
    }
  });

  test('of a newer version are refused as such, whatever else they say', ({ expect }) => {
    for (const kind of ['stop', 'of-the-future']) {
      expect(
        thrownBy(() => parseMessage(JSON.stringify({ schemaVersion: 2, kind }))),
      ).toMatchObject({
        code: 'SCHEMA_TOO_NEW',
        message: 'A message has version 2; this service reads up to 1.',
      });
    }
  });

  test('that nobody here sent are refused', ({ expect }) => {
    const refused = [
      '',
      'not json',
      'null',
      '[]',
      '{"kind":"stop","submissionId":"s"}',
      '{"schemaVersion":"1","kind":"stop","submissionId":"s"}',
      '{"schemaVersion":1,"kind":"start","submissionId":"s"}',
      '{"schemaVersion":1,"kind":"stop"}',
      '{"schemaVersion":1,"kind":"stop","submissionId":""}',
      '{"schemaVersion":1,"kind":"expand","submissionId":"s","chunk":-1}',
      `{"schemaVersion":1,"kind":"drain","lane":"${'x'.repeat(201)}"}`,
    ];
    for (const text of refused) {
      expect(thrownBy(() => parseMessage(text)).code, text).toBe('REQUEST_INVALID');
    }
  });
});

describe('pushes', () => {
  const STOP: Message = { kind: 'stop', submissionId: 's' };

  test('give the message and its delivery, as Pub/Sub and its emulator write them', ({
    expect,
  }) => {
    const emulators = {
      subscription: 'projects/p/subscriptions/s',
      message: {
        data: Buffer.from(encodeMessage(STOP)).toString('base64'),
        messageId: '1',
        message_id: '1',
        publishTime: '2026-12-01T00:00:00Z',
        publish_time: '2026-12-01T00:00:00Z',
        attributes: { kind: 'stop' },
      },
    };
    const expected = {
      message: STOP,
      messageId: '1',
      subscription: 'projects/p/subscriptions/s',
      publishTime: '2026-12-01T00:00:00Z',
    };
    expect(parsePush(emulators)).toEqual({ ...expected, deliveryAttempt: null });
    expect(parsePush({ ...emulators, deliveryAttempt: 3 })).toEqual({
      ...expected,
      deliveryAttempt: 3,
    });
    expect(parsePush({ ...emulators, deliveryAttempt: 0 }).deliveryAttempt).toBeNull();
  });

  test('that are none are refused, and told by their field', ({ expect }) => {
    const push = aPush(STOP);
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /body/],
      ['text', /body/],
      [{}, /subscription/],
      [{ ...push, message: null }, /message/],
      [{ ...push, message: { ...push.message, data: '***' } }, /message\.data/],
      [{ ...push, message: { ...push.message, data: undefined } }, /message\.data/],
      [{ ...push, deliveryAttempt: 'many' }, /deliveryAttempt/],
    ];
    for (const [body, told] of cases) {
      const error = thrownBy(() => parsePush(body));
      expect(error.code).toBe('REQUEST_INVALID');
      expect(error.message).toMatch(told);
    }
  });
});

function thrownBy(read: () => unknown): AppError {
  try {
    read();
  } catch (error) {
    if (isAppError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
