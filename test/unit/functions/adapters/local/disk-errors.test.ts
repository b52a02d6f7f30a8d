import { describe, test } from 'vitest';
import { asDiskError } from '../../../../../functions/adapters/local/disk-errors.ts';
import { asStoreError } from '../../../../../functions/adapters/local/sqlite/sqlite-errors.ts';

const PATH = '/tmp/no-such-directory/deep/service.db';

function failed(code: string): Error {
  return Object.assign(new Error(`${code}: it failed, write`), { code, syscall: 'write' });
}

function fromSqlite(errcode: number, message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode });
}

describe('a failed system call', () => {
  test.for(['ENOSPC', 'EDQUOT', 'EFBIG'])(
    '%s is a full disk: where, how full, what to do',
    (code, { expect }) => {
      const cause = failed(code);
      expect(asDiskError(cause, PATH)).toMatchObject({
        code: 'DISK_FULL',
        message: expect.stringMatching(
          /^The disk of \/tmp is full \([\d.]+ [MG]iB of [\d.]+ [MG]iB free\): \/tmp\/no-such-directory\/deep\/service\.db cannot grow\.$/,
        ),
        hint: expect.stringContaining('Free some space'),
        context: { path: PATH, freeBytes: expect.any(Number) },
        cause,
      });
    },
  );

  test.for([
    ['EROFS', 'its file system is read-only', 'writable again'],
    ['EACCES', 'this user may not write there (EACCES)', 'write access'],
    ['EPERM', 'this user may not write there (EPERM)', 'write access'],
  ] as const)('%s is a directory that cannot be written', ([code, reason, hint], { expect }) => {
    expect(asDiskError(failed(code), PATH)).toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: `${PATH} cannot be written: ${reason}.`,
      hint: expect.stringContaining(hint),
    });
  });

  test.for(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'])(
    '%s is a machine at its limits, and when to ask again',
    (code, { expect }) => {
      const cause = failed(code);
      expect(asDiskError(cause, PATH)).toMatchObject({
        code: 'HOST_BUSY',
        message: expect.stringContaining(`(${code})`),
        context: { retryAfterMs: expect.any(Number) },
        cause,
      });
    },
  );

  test('that says nothing of the disk stays what it is', ({ expect }) => {
    for (const error of [failed('ENOENT'), new Error('odd'), 'text']) {
      expect(asDiskError(error, PATH)).toBe(error);
    }
  });
});

describe('a failure of the database', () => {
  test('for lack of room is a full disk', ({ expect }) => {
    const error = fromSqlite(13, 'database or disk is full');
    expect(asStoreError(error, PATH)).toMatchObject({ code: 'DISK_FULL' });
  });

  test.for([
    [10, 'disk I/O error', 'Check the disk'],
    [11, 'database disk image is malformed', 'restore it from a backup'],
    [26, 'file is not a database', 'no database'],
  ] as const)('%d (%s) tells what to do', ([errcode, message, hint], { expect }) => {
    expect(asStoreError(fromSqlite(errcode, message), PATH)).toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
      message: `cannot use ${PATH}: ${message}`,
      hint: expect.stringContaining(hint),
    });
  });

  test('for lack of memory is a machine at its limits', ({ expect }) => {
    const error = fromSqlite(7, 'out of memory');
    expect(asStoreError(error, PATH)).toMatchObject({ code: 'HOST_BUSY' });
  });

  test('of a statement stays what it is', ({ expect }) => {
    const error = fromSqlite(1, 'no such column');
    expect(asStoreError(error, PATH)).toBe(error);
  });
});
