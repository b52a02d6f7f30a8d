import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, test } from 'vitest';
import {
  askEngine,
  askForUser,
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

  test('of a user that we end ourselves says nothing about the engine', async ({ expect }) => {
    const closing = new AbortController();
    const asked = askForUser({ ms: 60_000, signal: closing.signal }, never);
    closing.abort();
    await expect(asked).rejects.toThrow(EngineSilent);
    const late = askForUser({ ms: 20, signal: new AbortController().signal }, never);
    await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' });
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

  test('leaves nothing behind with a signal that lives on', async ({ expect }) => {
    const closing = new AbortController();
    let alive = 0;
    const freed = new FinalizationRegistry(() => {
      alive -= 1;
    });
    for (let i = 0; i < 10_000; i += 1) {
      await askEngine({ ms: 3_600_000, signal: closing.signal }, async (signal) => {
        signal.addEventListener('abort', () => undefined);
        freed.register(signal, i);
        alive += 1;
      });
    }
    expect(getEventListeners(closing.signal, 'abort')).toEqual([]);
    await expect.poll(() => collected(() => alive), { timeout: 20_000 }).toBeLessThan(100);
  });
});

describe('a question for a user', () => {
  const failing = (error: Error) => askForUser({ ms: 60_000 }, () => Promise.reject(error));

  test('that is not answered says what to do', async ({ expect }) => {
    const forbidden = Object.assign(new Error('connect EACCES /d.sock'), { code: 'EACCES' });
    await expect(failing(forbidden)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'The Docker engine does not answer: connect EACCES /d.sock.',
      hint: expect.stringContaining('the group docker'),
    });
    await expect(failing(new Error('connect ENOENT /d.sock'))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      hint: 'Start Docker.',
    });
    await expect(askForUser({ ms: 20 }, never)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'The Docker engine does not answer within 0.02 s.',
    });
  });

  test('that is refused is the refusal', async ({ expect }) => {
    const refusal = Object.assign(new Error('x'), { statusCode: 500 });
    await expect(failing(refusal)).rejects.toThrow(EngineRefusal);
  });
});

/** What a count says when everything that can be collected is. */
async function collected(count: () => number): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new TypeError('There is no gc.');
  await turn();
  collect();
  await turn();
  return count();
}
