import { test } from 'vitest';
import {
  httpStatusOf,
  orUndefined,
  storageFailure,
} from '../../../../../functions/adapters/gcp/gcs-errors.ts';
import { layerMissing } from '../../../../../shared/layers/layer-errors.ts';

const failed = (code: unknown) => Object.assign(new Error('so it said'), { code });

test.for([
  [failed(412), 412],
  [failed('503'), 503],
  [{ code: 429, name: 'Too Many Requests' }, 429],
  [failed('ECONNRESET'), undefined],
  [failed(14), undefined],
  [undefined, undefined],
  ['text', undefined],
] as const)('the status of %o is %s', ([error, status], { expect }) => {
  expect(httpStatusOf(error)).toBe(status);
});

test('expected statuses are no failure, others are UNAVAILABLE', async ({ expect }) => {
  const call = (code: number) => orUndefined([404, 412], () => Promise.reject(failed(code)));
  expect(await call(404)).toBeUndefined();
  expect(await call(412)).toBeUndefined();
  for (const code of [400, 401, 403, 409, 429, 500, 503]) {
    await expect(call(code)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  }
  expect(await orUndefined([404], async () => 7)).toBe(7);
});

test('a refusal says whose rights to look at; an AppError stays as it is', ({ expect }) => {
  expect(storageFailure(failed(403))).toMatchObject({
    message: 'Cloud Storage refuses this service: HTTP 403.',
    hint: expect.stringContaining('service account'),
  });
  // The client rejects with things that are no Error.
  const thrown = storageFailure({ code: 500 });
  expect(thrown).toMatchObject({ message: 'Cloud Storage does not answer: HTTP 500' });
  expect(thrown.cause).toBeInstanceOf(Error);
  const missing = layerMissing('a'.repeat(64));
  expect(storageFailure(missing)).toBe(missing);
});
