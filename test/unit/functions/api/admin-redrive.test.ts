import { test } from 'vitest';
import { outboxRow } from '../../../../functions/core/outbox.ts';
import type { RedriveRequest } from '../../../../functions/ports/dead-letters.ts';
import type { Message } from '../../../../functions/ports/message.ts';
import { put } from '../../../../functions/ports/store.ts';
import { redriveView } from '../../../../shared/api/redrive.ts';
import { AppError } from '../../../../shared/errors/app-error.ts';
import { createApiBench } from '../../../doubles/api-bench.ts';
import { errorOf } from '../../../doubles/error-of.ts';

const PATH = '/v1/admin/redrive';
const token = 'token-of-root';
const STOP: Message = { kind: 'stop', submissionId: 's' };

test('only an admin may redrive', async ({ expect }) => {
  const { send } = createApiBench();
  for (const other of ['token-of-ada', 'token-of-eve']) {
    const refused = await errorOf(send(PATH, { json: {}, token: other }));
    expect(refused).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  }
  expect((await send(PATH, { json: {}, token })).status).toBe(200);
});

test('parked messages are tried again; on one machine there are no dead letters', async ({
  expect,
}) => {
  const { send, deps } = createApiBench();
  const row = { ...outboxRow({ message: STOP }, 0), parked: true, attempts: 10 };
  await deps.store.commit([put({ collection: 'outbox', id: 'a' }, row)]);
  const answers = [];
  for (const json of [{ dryRun: true }, { dryRun: true, kind: 'image' }, {}, {}]) {
    answers.push(redriveView.parse(await (await send(PATH, { json, token })).json()));
  }
  const none = { parked: 0, dead: 0, unreadable: 0, more: false };
  expect(answers).toEqual([
    { ...none, dryRun: true, parked: 1 },
    { ...none, dryRun: true },
    { ...none, dryRun: false, parked: 1 },
    { ...none, dryRun: false },
  ]);
});

test('dead letters are tried again where the queue keeps messages', async ({ expect }) => {
  const asked: RedriveRequest[] = [];
  const deadLetters = {
    async redrive(request: RedriveRequest) {
      asked.push(request);
      return { dead: 3, unreadable: 1, more: true };
    },
  };
  const { send, logged } = createApiBench({ api: { deadLetters } });
  const answer = await send(PATH, { json: { kind: 'drain' }, token });
  expect(await answer.json()).toEqual({
    dryRun: false,
    parked: 0,
    dead: 3,
    unreadable: 1,
    more: true,
  });
  expect(asked).toEqual([{ kind: 'drain', dryRun: false }]);
  expect(logged.map(({ message }) => message)).toContain('redrive');
});

test('a queue that does not answer is told', async ({ expect }) => {
  const deadLetters = {
    redrive: () => Promise.reject(new AppError('UNAVAILABLE', 'Pub/Sub does not answer.')),
  };
  const { send } = createApiBench({ api: { deadLetters } });
  const refused = await errorOf(send(PATH, { json: {}, token }));
  expect(refused).toMatchObject({ status: 503, code: 'UNAVAILABLE' });
});

test('a kind that is none is refused', async ({ expect }) => {
  const { send } = createApiBench();
  const refused = await errorOf(send(PATH, { json: { kind: 'stops' }, token }));
  expect(refused).toMatchObject({ status: 400, code: 'REQUEST_INVALID' });
});
