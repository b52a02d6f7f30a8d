import { describe, test } from 'vitest';
import {
  askEngine,
  EngineRefusal,
  EngineSilent,
} from '../../../../../../../functions/adapters/local/docker/engine/engine-call.ts';

const never = () => new Promise<never>(() => undefined);

describe('a question to the engine', () => {
  test('is given up in time, also when the client never comes back', async ({ expect }) => {
    const asked = askEngine({ ms: 20 }, never);
    await expect(asked).rejects.toThrow(EngineSilent);
    await expect(asked).rejects.toThrow('0.02 s');
  });

  test('ends with the signal, at once when that is over already', async ({ expect }) => {
    const closing = new AbortController();
    const asked = askEngine({ ms: 60_000, signal: closing.signal }, never);
    closing.abort();
    await expect(asked).rejects.toThrow(EngineSilent);
    let isAsked = false;
    const late = askEngine({ ms: 60_000, signal: closing.signal }, async () => {
      isAsked = true;
    });
    await expect(late).rejects.toThrow(EngineSilent);
    expect(isAsked).toBe(false);
  });

  test('that is refused tells status and words of the engine', async ({ expect }) => {
    const refusals = [
      Object.assign(new Error('x'), { statusCode: 409, json: { message: 'name in use\n' } }),
      Object.assign(new Error('(HTTP code 409) unexpected - name in use '), { statusCode: 409 }),
    ];
    for (const refusal of refusals) {
      const asked = askEngine({ ms: 60_000 }, () => Promise.reject(refusal));
      await expect(asked).rejects.toThrow(EngineRefusal);
      await expect(asked).rejects.toMatchObject({ status: 409, message: 'name in use' });
    }
  });

  test.for([502, 503])('status %d is no answer', async (statusCode, { expect }) => {
    const refusal = Object.assign(new Error('gateway'), { statusCode });
    const asked = askEngine({ ms: 60_000 }, () => Promise.reject(refusal));
    await expect(asked).rejects.toThrow(EngineSilent);
  });

  test('whose connection breaks is no answer', async ({ expect }) => {
    const asked = askEngine({ ms: 60_000 }, () => Promise.reject(new Error('ECONNREFUSED')));
    await expect(asked).rejects.toThrow(EngineSilent);
  });
});
