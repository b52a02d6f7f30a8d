import { test } from 'vitest';
import { createEngineOutage } from '../../../../../../../functions/adapters/local/docker/engine/engine-outage.ts';
import { SILENT_LOG } from '../../../../../../doubles/logs.ts';

test('an outage is told once, and its end after a round in which all was answered', async ({
  expect,
}) => {
  const told: string[] = [];
  const log = {
    ...SILENT_LOG,
    warn: () => void told.push('away'),
    info: () => void told.push('back'),
  };
  const outage = createEngineOutage(log, () => false);
  const answered = async () => undefined;
  // The list is answered, and what is asked of one container is not.
  const halfAnswered = async () => outage.begin(new Error('no answer'));
  await outage.round(answered);
  await outage.round(halfAnswered);
  await outage.round(halfAnswered);
  await expect(outage.round(() => Promise.reject(new Error('no list')))).rejects.toThrow('no list');
  expect(told).toEqual(['away']);
  await outage.round(answered);
  await outage.round(answered);
  expect(told).toEqual(['away', 'back']);
});
