import { describe, test } from 'vitest';
import { AppError, isAppError } from '../../../../shared/errors/app-error.ts';

describe('AppError', () => {
  test('carries code, message, hint, context and cause', ({ expect }) => {
    const cause = new Error('socket closed');
    const error = new AppError('JOB_NOT_FOUND', 'No job j.', {
      hint: 'List yours.',
      context: { id: 'j' },
      cause,
    });
    expect(error).toMatchObject({
      name: 'AppError',
      code: 'JOB_NOT_FOUND',
      message: 'No job j.',
      hint: 'List yours.',
      context: { id: 'j' },
      cause,
    });
  });

  test('takes HTTP status and exit status from its code', ({ expect }) => {
    const error = new AppError('JOB_NOT_FOUND', 'No job j.');
    expect([error.status, error.exit]).toEqual([404, 3]);
  });

  test('has no cause unless one is given', ({ expect }) => {
    expect('cause' in new AppError('INTERNAL', 'odd')).toBe(false);
  });

  test('is told from other errors, and by its code', ({ expect }) => {
    const error = new AppError('JOB_NOT_FOUND', 'No job j.');
    expect(isAppError(error)).toBe(true);
    expect(isAppError(error, 'JOB_NOT_FOUND')).toBe(true);
    expect(isAppError(error, 'INTERNAL')).toBe(false);
    expect(isAppError(new Error('No job j.'))).toBe(false);
    expect(isAppError({ code: 'JOB_NOT_FOUND' })).toBe(false);
  });
});
