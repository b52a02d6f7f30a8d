import { describe, test } from 'vitest';
import { afterFailure } from '../../../../functions/consumers/put-back.ts';
import { hostBusy, isHostTrouble, troubleOf } from '../../../../functions/ports/host-trouble.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';

function failed(code: string, cause?: unknown): Error {
  return Object.assign(new Error(`${code}: it failed`, { cause }), { code });
}

describe('what a machine lacks for a while', () => {
  test.for([
    ['ENOSPC', 'no-room'],
    ['EDQUOT', 'no-room'],
    ['EFBIG', 'no-room'],
    ['EROFS', 'read-only'],
    ['EMFILE', 'scarce'],
    ['ENFILE', 'scarce'],
    ['EAGAIN', 'scarce'],
    ['ENOMEM', 'scarce'],
  ] as const)('%s is %s, and no fault of what was asked', ([code, trouble], { expect }) => {
    expect(troubleOf(failed(code))).toBe(trouble);
    expect(isHostTrouble(failed(code))).toBe(true);
    expect(isHostTrouble(new Error('it broke', { cause: failed(code) }))).toBe(true);
    expect(isHostTrouble(failed('ERR_ODD', failed('ERR_ODDER', failed(code))))).toBe(true);
  });

  test.for(['HOST_BUSY', 'STORE_BUSY', 'DISK_FULL', 'DATA_DIR_UNUSABLE'] as const)(
    'an answer %s is of its kind',
    (code, { expect }) => {
      expect(isHostTrouble(new AppError(code, 'No.'))).toBe(true);
    },
  );

  test('nothing else is, and a chain of causes that bites its tail ends', ({ expect }) => {
    const endless = failed('ERR_ODD');
    endless.cause = endless;
    const unknown = new AppError('UNAVAILABLE', 'Nobody knows.');
    for (const error of [failed('ENOENT'), failed('EACCES'), unknown, endless, 'EMFILE', null]) {
      expect(isHostTrouble(error)).toBe(false);
      expect(troubleOf(error)).toBeUndefined();
    }
  });

  test('counts as no failure of a message, however often', ({ expect }) => {
    const random = { next: () => 1, id: () => 'id' };
    const after = afterFailure({ random }, 9, failed('EMFILE'));
    expect(after).toEqual({ attempts: 9, waitMs: 2_000 });
    expect(afterFailure({ random }, 9, failed('ENOENT')).attempts).toBe(10);
  });

  test('is told with its code and when to ask again', ({ expect }) => {
    const cause = failed('EMFILE');
    expect(hostBusy(new Error('it broke', { cause }))).toMatchObject({
      code: 'HOST_BUSY',
      message: expect.stringContaining('may open no more files (EMFILE)'),
      hint: expect.stringContaining('Try again'),
      context: { retryAfterMs: 2_000 },
    });
  });
});
