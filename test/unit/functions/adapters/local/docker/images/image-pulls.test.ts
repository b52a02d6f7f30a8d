import { describe, test } from 'vitest';
import { createImagePulls } from '../../../../../../../functions/adapters/local/docker/images/image-pulls.ts';
import type { Images } from '../../../../../../../functions/adapters/local/docker/images/images.ts';
import { AppError } from '../../../../../../../shared/errors/app-error.ts';
import { SILENT_LOG } from '../../../../../../doubles/logs.ts';

const PENDING = { state: 'pending' };

describe('fetching images', () => {
  test('asks once for a reference while it is under way, with a version', async ({ expect }) => {
    const { pulls, asked, end } = aBench();
    const digest = `sha256:${'a'.repeat(64)}`;
    for (const reference of ['one', 'one', 'host:5000/two:3', `four@${digest}`]) {
      expect(pulls.look(reference)).toEqual(PENDING);
    }
    await Promise.resolve();
    expect(asked).toEqual([
      { repository: 'one', version: 'latest' },
      { repository: 'host:5000/two', version: '3' },
      { repository: 'four', version: digest },
    ]);
    end();
    await pulls.close();
    expect(pulls.look('one')).toEqual(PENDING);
    await pulls.close();
    expect(asked).toHaveLength(4);
  });

  test('asks for few at a time', async ({ expect }) => {
    const { pulls, asked, end } = aBench();
    for (const reference of ['a', 'b', 'c', 'd', 'e']) pulls.look(reference);
    await Promise.resolve();
    expect(asked).toHaveLength(3);
    end();
    await pulls.close();
    expect(asked).toHaveLength(5);
  });

  test('remembers a failure for half a minute', async ({ expect }) => {
    const { pulls, asked, end, pass } = aBench();
    pulls.look('gone');
    end(new Error('manifest unknown'));
    await pulls.close();
    const absent = pulls.look('gone');
    expect(absent).toEqual({
      state: 'absent',
      message: 'The image gone is not on this machine, and could not be fetched: manifest unknown.',
      hint: expect.stringContaining('Check its name and tag'),
    });
    pass(29_999);
    expect(pulls.look('gone')).toEqual(absent);
    pass(1);
    expect(pulls.look('gone')).toEqual(PENDING);
    await Promise.resolve();
    expect(asked).toHaveLength(2);
  });

  test('says what to do when a registry wants a login', async ({ expect }) => {
    const { pulls, end } = aBench();
    pulls.look('private');
    end(new Error('pull access denied for private.'));
    await pulls.close();
    const absent = pulls.look('private');
    expect(absent).toMatchObject({ hint: expect.stringContaining('docker login') });
    expect(absent).toMatchObject({ hint: expect.stringContaining('docker pull private') });
  });

  test('takes no silence of the engine for an answer', async ({ expect }) => {
    const { pulls, end } = aBench();
    pulls.look('later');
    end(new AppError('UNAVAILABLE', 'no engine'));
    await pulls.close();
    expect(pulls.look('later')).toEqual(PENDING);
  });
});

/** An engine whose fetches all end when they are told to, later ones at once and alike. */
function aBench() {
  let now = 0;
  const asked: unknown[] = [];
  const gate = Promise.withResolvers<void>();
  gate.promise.catch(() => undefined); // also while nobody waits
  const images: Pick<Images, 'pull'> = {
    pull: (name) => {
      asked.push(name);
      return gate.promise;
    },
  };
  const clock = { now: () => now, sleep: () => Promise.reject(new Error('nobody waits')) };
  return {
    asked,
    pulls: createImagePulls({ images, clock, log: SILENT_LOG }),
    pass: (ms: number) => {
      now += ms;
    },
    end: (error?: Error) => {
      if (error === undefined) gate.resolve();
      else gate.reject(error);
    },
  };
}
